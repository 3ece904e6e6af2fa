package main

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// Which runtime metrics the Go collector adds to its default set.
const (
	runtimeMetricsDefault   = "default"
	runtimeMetricsScheduler = "scheduler"
	runtimeMetricsAll       = "all"
)

type config struct {
	port string
	// grpcPort is where gRPC is served; empty: nowhere.
	grpcPort string
	// dbConnections is the size of the connection pool; 0: of no bound.
	dbConnections  int
	logLevel       slog.Level
	runtimeMetrics string
	// drainDelay is how long requests are still accepted after SIGTERM: until every proxy has seen that the pod is not ready.
	drainDelay time.Duration
	// shutdownTimeout bounds the wait for requests in flight after that. Both together must stay below the pod's
	// terminationGracePeriodSeconds.
	shutdownTimeout time.Duration
}

// configFromEnv reads PORT, GRPC_PORT, DB_CONNECTIONS, LOG_LEVEL, RUNTIME_METRICS, DRAIN_DELAY and SHUTDOWN_TIMEOUT. An unset variable means its default.
func configFromEnv(getenv func(string) string) (config, error) {
	cfg := config{port: "8080", dbConnections: 4, runtimeMetrics: runtimeMetricsDefault}
	var err error
	if value := getenv("PORT"); value != "" {
		if _, err := strconv.ParseUint(value, 10, 16); err != nil {
			return cfg, fmt.Errorf("PORT=%q: must be a number from 0 to 65535 (0 picks a free port)", value)
		}
		cfg.port = value
	}
	if value := getenv("GRPC_PORT"); value != "" {
		if _, err := strconv.ParseUint(value, 10, 16); err != nil {
			return cfg, fmt.Errorf("GRPC_PORT=%q: must be a number from 0 to 65535 (0 picks a free port)", value)
		}
		cfg.grpcPort = value
	}
	if value := getenv("DB_CONNECTIONS"); value != "" {
		connections, err := strconv.ParseUint(value, 10, 16)
		if err != nil || connections == 0 {
			return cfg, fmt.Errorf("DB_CONNECTIONS=%q: must be a number from 1 to 65535", value)
		}
		cfg.dbConnections = int(connections)
	}
	if value := getenv("LOG_LEVEL"); value != "" {
		if err := cfg.logLevel.UnmarshalText([]byte(value)); err != nil {
			return cfg, fmt.Errorf("LOG_LEVEL=%q: must be debug, info, warn or error", value)
		}
	}
	switch value := getenv("RUNTIME_METRICS"); value {
	case "":
	case runtimeMetricsDefault, runtimeMetricsScheduler, runtimeMetricsAll:
		cfg.runtimeMetrics = value
	default:
		return cfg, fmt.Errorf("RUNTIME_METRICS=%q: must be default, scheduler or all", value)
	}
	if cfg.drainDelay, err = durationFromEnv(getenv, "DRAIN_DELAY", 5*time.Second); err != nil {
		return cfg, err
	}
	cfg.shutdownTimeout, err = durationFromEnv(getenv, "SHUTDOWN_TIMEOUT", 15*time.Second)
	return cfg, err
}

func durationFromEnv(getenv func(string) string, key string, fallback time.Duration) (time.Duration, error) {
	value := getenv(key)
	if value == "" {
		return fallback, nil
	}
	duration, err := time.ParseDuration(value)
	if err != nil || duration < 0 || duration > time.Minute {
		return 0, fmt.Errorf("%s=%q: must be a duration from 0s to 1m, such as 5s", key, value)
	}
	return duration, nil
}
