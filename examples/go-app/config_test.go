package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func getenv(values map[string]string) func(string) string {
	return func(key string) string { return values[key] }
}

func TestConfigDefaults(t *testing.T) {
	cfg, err := configFromEnv(getenv(nil))
	want := config{port: "8080", dbConnections: 4, runtimeMetrics: "default", drainDelay: 5 * time.Second, shutdownTimeout: 15 * time.Second}
	if err != nil || cfg != want {
		t.Errorf("got %+v, %v; want %+v", cfg, err, want)
	}
}

func TestConfigFromEnv(t *testing.T) {
	cfg, err := configFromEnv(getenv(map[string]string{
		"PORT": "9000", "GRPC_PORT": "9090", "DB_CONNECTIONS": "8", "LOG_LEVEL": "warn", "RUNTIME_METRICS": "scheduler", "DRAIN_DELAY": "0s", "SHUTDOWN_TIMEOUT": "1m",
	}))
	want := config{port: "9000", grpcPort: "9090", dbConnections: 8, logLevel: slog.LevelWarn, runtimeMetrics: "scheduler", shutdownTimeout: time.Minute}
	if err != nil || cfg != want {
		t.Errorf("got %+v, %v; want %+v", cfg, err, want)
	}
}

func TestConfigErrorsNameTheVariableAndItsValue(t *testing.T) {
	for key, values := range map[string][]string{
		"PORT":             {"http", "65536", "-1"},
		"GRPC_PORT":        {"grpc", "65536"},
		"DB_CONNECTIONS":   {"0", "-1", "many"},
		"LOG_LEVEL":        {"loud"},
		"RUNTIME_METRICS":  {"yes"},
		"DRAIN_DELAY":      {"5", "-1s", "61s"},
		"SHUTDOWN_TIMEOUT": {"soon"},
	} {
		for _, value := range values {
			_, err := configFromEnv(getenv(map[string]string{key: value}))
			if err == nil || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), value) {
				t.Errorf("%s=%q: error %v", key, value, err)
			}
		}
	}
}
