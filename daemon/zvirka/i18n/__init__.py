"""The languages of reports, pages and commands: messages, numbers, dates, safe text."""
