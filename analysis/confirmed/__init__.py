"""Answers from confirmed searches: fresh seeds, the same for every configuration (`study.confirm`).

One module a question, named as in `search_spaces`; each is a section (`analysis.findings.Section`).
"""
