"""A dry run over requests: what each would get, kept in a file that `apply` carries out."""
