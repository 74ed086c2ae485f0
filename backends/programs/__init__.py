"""Programs of the operator: how they are run, how a detached one is found again."""
