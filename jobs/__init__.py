"""Work for many accounts on many machines: who takes events, who works, and what sends the work out.

Messages name an account and an entity, and nothing else. All work and all truth stay in PostgreSQL, so a message may be
lost, repeated or late. `celery -A jobs` finds the app in `jobs/celery.py`, the only file that needs Celery.
"""
