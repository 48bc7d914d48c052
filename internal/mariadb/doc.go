// Package mariadb starts MariaDB servers of a test's own.
//
// It owns one process and one data directory for each, on a port of 127.0.0.1, and ends the process by its number: also when the test process dies.
// It refuses to touch a server that it has not started, but for the databases that it makes on the one that TRUNKLINE_MYSQL names.
//
// Main type: Server. It belongs to the goroutine of the test.
package mariadb
