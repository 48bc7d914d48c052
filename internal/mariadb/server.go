package mariadb

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// Variable names a server to use instead of one of our own: mysql://user:password@host:port. The user may make databases, and they are left there.
const Variable = "TRUNKLINE_MYSQL"

// Required names the variable that is set where a server was installed: then a test without one fails.
const Required = "TRUNKLINE_MYSQL_REQUIRED"

// ErrNone: there is no server on this machine.
var ErrNone = errors.New("no mariadbd or mysqld is installed, and " + Variable + " is not set")

const (
	startWait = 60 * time.Second // a loaded machine takes its time to make system tables
	pollEvery = 20 * time.Millisecond
	user      = "trunkline"
	password  = "p:a/s s%w@ord" // with all that an address must not have in it plainly
	databases = 1000            // names of one server
)

// Server is one server.
type Server struct {
	dir     string // "": named by Variable
	binary  string
	install string
	place   *url.URL // without a database
	admin   *sql.DB
	stop    io.Closer // of the shell that ends the process
	shell   *exec.Cmd
	pid     int
	made    int // databases
}

// Start starts a server for a test, which is skipped when there is none.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := Open(t.TempDir())
	if errors.Is(err, ErrNone) {
		Missing(t)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Missing ends a test that has no server: it is skipped, or fails where one must be.
func Missing(t testing.TB) {
	t.Helper()
	if os.Getenv(Required) != "" {
		t.Fatalf("%v, and %s is set", ErrNone, Required)
	}
	t.Skip(ErrNone)
}

// Open starts a server whose files are in dir, which is empty. Errors: ErrNone, or what went wrong, with the server's last words.
func Open(dir string) (*Server, error) {
	if text := os.Getenv(Variable); text != "" {
		u, err := url.Parse(text)
		if err != nil {
			return nil, errors.New(Variable + " can't be read")
		}
		s := &Server{place: u}
		return s, s.connect()
	}
	s := &Server{dir: dir, binary: find("mariadbd", "mysqld"), install: find("mariadb-install-db", "mysql_install_db")}
	if s.binary == "" || s.install == "" || find("my_print_defaults") == "" {
		return nil, ErrNone
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s.place = &url.URL{Scheme: "mysql", User: url.UserPassword(user, password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	made, err := exec.Command(s.install, append(s.options(), "--auth-root-authentication-method=normal", "--skip-test-db")...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", s.install, err, made)
	}
	grant := fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO '%s'@'%%';\n", user, password, user)
	if err := os.WriteFile(filepath.Join(dir, "first.sql"), []byte(grant), 0o600); err != nil {
		return nil, err
	}
	return s, s.start("--init-file=" + filepath.Join(dir, "first.sql"))
}

// options are what both the server and the making of its directory get.
func (s *Server) options() []string {
	list := []string{
		"--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"), "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M", "--skip-name-resolve",
	}
	if os.Getuid() == 0 {
		list = append(list, "--user=root")
	}
	return list
}

func (s *Server) start(more ...string) error {
	_, port, err := net.SplitHostPort(s.place.Host)
	if err != nil {
		return err
	}
	args := append(append([]string{s.binary}, s.options()...), "--bind-address=127.0.0.1", "--port="+port, "--socket="+filepath.Join(s.dir, "s"),
		"--pid-file="+filepath.Join(s.dir, "pid"), "--log-error="+filepath.Join(s.dir, "log.err"))
	// The shell ends the server when its input ends: when Close closes it, and when this process dies.
	s.shell = exec.Command("sh", append([]string{"-c", `"$@" </dev/null >/dev/null 2>&1 & echo $!; cat >/dev/null; kill -9 $! 2>/dev/null; wait`, "sh"}, append(args, more...)...)...)
	in, err := s.shell.StdinPipe()
	if err != nil {
		return err
	}
	out, err := s.shell.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.shell.Start(); err != nil {
		return err
	}
	s.stop = in
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		s.pid, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		return errors.Join(err, in.Close(), s.shell.Wait())
	}
	if err := s.connect(); err != nil {
		s.Close()
		words, _ := os.ReadFile(filepath.Join(s.dir, "log.err"))
		return fmt.Errorf("%w\n%s", err, words)
	}
	return nil
}

// connect waits until the server lets us in.
func (s *Server) connect() error {
	c := driver.NewConfig()
	c.Net, c.Addr, c.User, c.Logger = "tcp", s.place.Host, s.place.User.Username(), &driver.NopLogger{}
	c.Passwd, _ = s.place.User.Password()
	connector, err := driver.NewConnector(c)
	if err != nil {
		return err
	}
	s.admin = sql.OpenDB(connector)
	s.admin.SetMaxIdleConns(0) // nothing of ours is open when a test kills the server
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		last := s.admin.PingContext(ctx)
		if last == nil {
			return nil
		}
		if ctx.Err() == nil {
			err = last
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(err, s.admin.Close())
		}
	}
}

// Database makes an empty database and gives its place, with user and password.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	if s.made++; s.made > databases {
		t.Fatalf("more than %d databases", databases)
	}
	name := fmt.Sprintf("trunkline_%d_%d", os.Getpid(), s.made)
	s.Exec(t, "DROP DATABASE IF EXISTS "+name)
	s.Exec(t, "CREATE DATABASE "+name)
	return s.Place(name)
}

// Place is where a database is, or would be.
func (s *Server) Place(database string) string {
	u := *s.place
	u.Path = "/" + database
	return u.String()
}

// Host is host and port, and Password what no log may show.
func (s *Server) Host() string { return s.place.Host }

// Password is what no log may show.
func (s *Server) Password() string {
	p, _ := s.place.User.Password()
	return p
}

// Exec runs a statement as the server's master; tables are named database.table.
func (s *Server) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	if _, err := s.admin.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Number asks for one number.
func (s *Server) Number(t testing.TB, question string, args ...any) (n int) {
	t.Helper()
	if err := s.admin.QueryRow(question, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", question, err)
	}
	return n
}

// Kill ends the process as a power cut would. A server that the test has not started skips the test.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGKILL)
	s.Close()
}

// Again starts a killed server on the same files and port.
func (s *Server) Again(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Pause stops the process where it is; its sockets stay open and answer nothing.
func (s *Server) Pause(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGSTOP) }

// Resume lets it go on.
func (s *Server) Resume(t testing.TB) { t.Helper(); s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if s.dir == "" {
		t.Skip("the server that " + Variable + " names is not ours to kill")
	}
	if err := syscall.Kill(s.pid, signal); err != nil {
		t.Fatal(err)
	}
}

// Close ends the process. Safe to call twice.
func (s *Server) Close() {
	if s.admin != nil {
		_ = s.admin.Close()
	}
	if s.stop != nil {
		_ = s.stop.Close()
		_ = s.shell.Wait() // its status is that of a kill
		s.stop = nil
	}
}

// find looks for a program where servers are put, too.
func find(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range []string{"/usr/sbin", "/usr/local/libexec", "/usr/local/bin", "/usr/bin"} {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
	}
	return ""
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
