package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net/http"
	"time"
)

// dbName is the db_name of go_sql_*.
const dbName = "orders"

// openStore opens the service's connection pool: database/sql as it is, over a driver that answers by itself, so that the example
// needs no database server. A query holds its connection for as long as it takes, so more queries than connections wait for one,
// and go_sql_wait_duration_seconds_total rises, as it does before a database that is behind.
func openStore(connections int) *sql.DB {
	db := sql.OpenDB(connector{})
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// query asks the store something that takes ?ms= milliseconds (default 5, 0 to 1000): next to no CPU, but a connection.
func query(db *sql.DB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		amount, err := workAmount(r.URL.Query().Get("ms"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var waited int64
		if err := db.QueryRowContext(r.Context(), "wait", amount.Nanoseconds()).Scan(&waited); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, map[string]any{"db_ms": float64(waited) / float64(time.Millisecond), "pod": hostname})
	}
}

// connector, connection, and answer are the least that database/sql asks of a driver.
type connector struct{}

func (connector) Connect(context.Context) (driver.Conn, error) { return connection{}, nil }
func (c connector) Driver() driver.Driver                      { return c }
func (connector) Open(string) (driver.Conn, error)             { return connection{}, nil }

type connection struct{}

var errUnsupported = errors.New("the example's store only waits")

func (connection) Prepare(string) (driver.Stmt, error) { return nil, errUnsupported }
func (connection) Begin() (driver.Tx, error)           { return nil, errUnsupported }
func (connection) Close() error                        { return nil }

// QueryContext takes the nanoseconds it is given and answers with them.
func (connection) QueryContext(ctx context.Context, _ string, args []driver.NamedValue) (driver.Rows, error) {
	nanoseconds, ok := args[0].Value.(int64)
	if !ok {
		return nil, errUnsupported
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Duration(nanoseconds)):
		return &answer{value: nanoseconds}, nil
	}
}

type answer struct {
	value int64
	given bool
}

func (*answer) Columns() []string { return []string{"nanoseconds"} }
func (*answer) Close() error      { return nil }

func (a *answer) Next(row []driver.Value) error {
	if a.given {
		return io.EOF
	}
	a.given = true
	row[0] = a.value
	return nil
}
