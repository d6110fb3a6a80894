"""What can be done with the service, as plain functions of services, actor and arguments.

API and pages call the same ones. They raise what `bot/domain/errors.py` has, and what a call to
GitHub raises; whoever calls puts that into words. Each writes its own line into the log.
"""
