#!/usr/bin/env bash
# On the first start of an empty volume: a login role and a database for each service. No role may connect to any database but its own.
# Passwords are read by psql itself from /run/secrets/<service>_database_password: they stand in no command line and no environment.
set -euo pipefail
psql=(psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres)

for service in marketing handoff sales distribution; do
    [ -s "/run/secrets/${service}_database_password" ] || { echo "there is no password in /run/secrets/${service}_database_password" >&2; exit 1; }
    "${psql[@]}" --set=service="$service" <<'SQL'
\set file /run/secrets/ :service _database_password
\set password `cat :file`
SET log_min_error_statement = panic;
CREATE ROLE :"service" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service" TEMPLATE template0;
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
"${psql[@]}" <<'SQL'
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
SQL
