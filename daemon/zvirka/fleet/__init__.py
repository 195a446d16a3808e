"""Runs spread over workers on several machines.

The daemon decides which flows are due and orders their runs; workers take the orders and perform
each in a process of its own. Between them stands Procrastinate, a job queue in the database of the
journal. Everything here needs the extra ``zvirka[fleet]``, so nothing else imports it at its top.
"""
