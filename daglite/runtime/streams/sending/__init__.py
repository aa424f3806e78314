"""What goes to workers and comes back: batches, attempts, pieces of results, parts of folds.

| file | what it is | file | what it is |
|---|---|---|---|
| shipping, flight | batches under way | batch | how many items they hold, pure |
| attempts, ended | what their worker did not answer | blaming | what is said of an item that failed |
| spread | results that come in pieces | opened | those that are begun, and where |
| gathering | parts of folds that stay with the workers | tree | which of them go together next, pure |
"""
