"""What happened, durably: tables, migrations, the digest chain, the run lock."""
