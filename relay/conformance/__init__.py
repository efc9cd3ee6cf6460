"""The suite that two nodes are judged by: it knows a node only by its wire.

own.py / subject.py   the nodes that are judged: started here, or given by a file each
credentials.py        who the kit is: its CA, its nodes, what the judged ones must configure
peer.py, dms.py       the parts it plays: a neighbour, a document-management system
link.py               the proxy between the judged nodes, which breaks what it is told to
clauses/              the assertions, a file for each chapter of the wire format
running.py            one after another, each with its verdict
reports/              what is told of it
"""
