package main

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc"
)

// server holds what requests share. It is ready from the start until the shutdown begins.
type server struct {
	cfg      config
	draining atomic.Bool
	handler  http.Handler
	// rpc is nil where no port is set for it.
	rpc *grpc.Server
}

func newServer(cfg config) *server {
	s := &server{cfg: cfg}
	m, store := newMetrics(cfg.runtimeMetrics), openStore(cfg.dbConnections)
	m.registry.MustRegister(collectors.NewDBStatsCollector(store, dbName))
	s.handler = s.routes(m, store)
	if cfg.grpcPort != "" {
		s.rpc = newRPC(m)
	}
	return s
}

// routes instruments only what users ask for. Probes and scrapes stay out of the counters, so that the request rate of an idle
// service is zero, and a fixed set of handler names keeps the number of series bounded.
func (s *server) routes(m *metrics, store *sql.DB) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", m.instrument("/", http.StatusOK, http.HandlerFunc(index)))
	mux.Handle("GET /work", m.instrument("/work", http.StatusOK, http.HandlerFunc(work)))
	mux.Handle("GET /query", m.instrument("/query", http.StatusOK, query(store)))
	mux.Handle("GET /heap", m.instrument("/heap", http.StatusOK, http.HandlerFunc(new(heap).set)))
	mux.Handle("/", m.instrument("other", http.StatusNotFound, http.NotFoundHandler()))
	mux.HandleFunc("GET /healthz", healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", m.exposition())
	return mux
}

// serve answers requests until ctx ends, then shuts down: not ready, drain, wait for requests in flight, cut what is left.
func (s *server) serve(ctx context.Context, listener net.Listener) error {
	httpServer := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	return s.shutdown(httpServer)
}

func (s *server) shutdown(httpServer *http.Server) error {
	started := time.Now()
	slog.Info("shutting down", "drain_delay", s.cfg.drainDelay.String(), "timeout", s.cfg.shutdownTimeout.String())
	s.draining.Store(true)
	// Clients with a kept connection would never notice that the pod left the Service: answer them with "Connection: close".
	httpServer.SetKeepAlivesEnabled(false)
	time.Sleep(s.cfg.drainDelay)

	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.shutdownTimeout)
	defer cancel()
	if err := httpServer.Shutdown(ctx); err != nil {
		return errors.Join(errors.New("requests were still in flight at the shutdown timeout"), httpServer.Close())
	}
	slog.Info("stopped", "seconds", time.Since(started).Seconds())
	return nil
}
