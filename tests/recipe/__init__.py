"""A backend that is added as CONTRIBUTING.md says: `counter`, and the tests that carry the recipe out."""
