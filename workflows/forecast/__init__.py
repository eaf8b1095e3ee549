"""What a run would take, before anything of it runs."""
