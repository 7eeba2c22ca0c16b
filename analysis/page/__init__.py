"""The report's page: tables, links, provenance, names, template."""
