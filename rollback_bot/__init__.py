"""All that a backend in a package of its own imports of us.

`definition` is what every role of the bot imports of a backend, so it must stay light. `contract` is what an
executor or a check needs to act. `conformance` is what its tests need; they run with
`pytest -p backends.conformance`. None of ours imports this package.
"""
