"""The worked examples of rules.md section 6 on servers of their own, held against what the rules say."""
