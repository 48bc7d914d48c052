// Package python holds a client in Python that was written from docs/protocol.md alone: trunkline.py, standard library only.
//
// It proves that the document suffices to write a client. There is no Go code to call here and nothing imports the package;
// its tests build the server, run the Python client against it and against this project's own client, and run the
// client's unit tests. They are skipped where there is no Python 3.9 or newer.
package python
