package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	driver "github.com/go-sql-driver/mysql"
)

// The parameters of a place.
const (
	paramTLS         = "tls"         // "off" (default), "on": encrypted, with a certificate that the system trusts
	paramCA          = "ca"          // a PEM file: encrypted, with a certificate that it vouches for
	paramSocket      = "socket"      // a unix socket instead of host and port
	paramConnections = "connections" // most open connections
)

// Place says where a shard is, and as whom to enter. Its text without the password is String.
type Place struct {
	network, address string
	database         string
	user, password   string
	encrypted        bool
	host, ca         string // host is the certificate's name
	connections      int
}

// Parse reads "mysql://user:password@host:port/database?tls=on". Errors: ErrPlace; none holds a part of the text but a parameter's name.
func Parse(text string) (Place, error) {
	wrong := func(why string) (Place, error) {
		return Place{}, fmt.Errorf("%w: %s, wanted mysql://user:password@host:port/database", ErrPlace, why)
	}
	u, err := url.Parse(text) // its error would show the password
	if err != nil {
		return wrong("it can't be read (write signs of a password such as / and % as %2F and %25)")
	}
	p := Place{network: "tcp", database: strings.TrimPrefix(u.Path, "/"), host: u.Hostname(), user: u.User.Username(), connections: connectionsDefault}
	p.password, _ = u.User.Password()
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	p.address = net.JoinHostPort(p.host, port)
	switch {
	case u.Scheme != "mysql":
		return wrong("it does not begin with mysql://")
	case p.user == "":
		return wrong("it names no user")
	case p.database == "" || len(p.database) > 64 || strings.Contains(p.database, "/"):
		return wrong("it names no database")
	}
	if why := p.parameters(u.RawQuery); why != "" {
		return wrong(why)
	}
	if p.host == "" && p.network == "tcp" {
		return wrong("it names no host")
	}
	return p, nil
}

// parameters reads what stands behind the question mark, and says what is wrong with it.
func (p *Place) parameters(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "its parameters can't be read"
	}
	for name, list := range values {
		v := list[len(list)-1]
		switch {
		case name == paramTLS && (v == "on" || v == "off"):
			p.encrypted = p.encrypted || v == "on"
		case name == paramCA && v != "":
			p.ca, p.encrypted = v, true
		case name == paramSocket && v != "":
			p.network, p.address = "unix", v
		case name == paramConnections:
			if p.connections, err = strconv.Atoi(v); err != nil || p.connections < 1 || p.connections > ConnectionsMax {
				return fmt.Sprintf("%s is not a number from 1 to %d", name, ConnectionsMax)
			}
		case name == paramTLS, name == paramCA, name == paramSocket:
			return fmt.Sprintf("its parameter %s has no such value", name)
		default:
			return fmt.Sprintf("there is no parameter %q", name)
		}
	}
	return ""
}

// String is host and database, and nothing of the user.
func (p Place) String() string { return p.address + "/" + p.database }

// config is what the driver wants.
func (p *Place) config() (*driver.Config, error) {
	c := driver.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = p.user, p.password, p.network, p.address, p.database
	c.Timeout, c.Logger = dialTimeout, &driver.NopLogger{}
	c.Params = map[string]string{ // nothing is cut off silently, and what is kept is bytes
		"sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
	}
	if !p.encrypted {
		return c, nil
	}
	c.TLS = &tls.Config{ServerName: p.host, MinVersion: tls.VersionTLS12}
	if p.ca == "" {
		return c, nil
	}
	pem, err := os.ReadFile(p.ca)
	if err != nil {
		return nil, err
	}
	c.TLS.RootCAs = x509.NewCertPool()
	if !c.TLS.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", p.ca)
	}
	return c, nil
}
