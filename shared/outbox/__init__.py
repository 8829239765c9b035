"""How events leave: written with the state they belong to, published by the relay."""
