"""What is made for readers: the site of docs/, and the pages of docs/ that are made of the code."""
