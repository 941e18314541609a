"""The demo: it runs the worked examples of rules.md section 6 on embedded servers and checks the answers."""
