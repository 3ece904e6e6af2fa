// Command go-app is a small HTTP and gRPC service in the shape most Go services on Kubernetes have: probes, client_golang metrics,
// structured logs and a graceful shutdown. GET /work burns a chosen amount of CPU time, so that scaling can be watched.
package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// version is set at link time: -ldflags "-X main.version=0.1.0".
var version = "dev"

func main() {
	if err := run(); err != nil {
		slog.Error("go-app failed", "error", err)
		os.Exit(1)
	}
}

func run() error {
	cfg, err := configFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: cfg.logLevel})))

	// The first SIGTERM (or Ctrl-C) drains; stop() then restores the default, so that a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop)

	listener, err := net.Listen("tcp", net.JoinHostPort("", cfg.port))
	if err != nil {
		return err
	}
	server := newServer(cfg)
	if server.rpc != nil {
		listener, err := net.Listen("tcp", net.JoinHostPort("", cfg.grpcPort))
		if err != nil {
			return err
		}
		go serveRPC(ctx, server.rpc, listener)
		slog.Info("listening for gRPC", "address", listener.Addr().String())
	}
	// GOMAXPROCS is left to the runtime: since Go 1.25 it follows the container's CPU limit, also when the limit changes.
	// Without a limit it is the node's core count. GOMEMLIMIT is read from the environment; -1 only asks for its value.
	slog.Info("listening", "address", listener.Addr().String(), "version", version, "go", runtime.Version(),
		"gomaxprocs", runtime.GOMAXPROCS(0), "gomemlimit", debug.SetMemoryLimit(-1), "runtime_metrics", cfg.runtimeMetrics)
	return server.serve(ctx, listener)
}
