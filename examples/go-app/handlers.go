package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	defaultWork = 5 * time.Millisecond
	maxWork     = time.Second
)

// hostname is the pod's name inside Kubernetes, which shows the spreading of requests.
var hostname, _ = os.Hostname()

// index answers at once: next to no CPU.
func index(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"service": "go-app", "version": version, "pod": hostname})
}

// work burns ?ms= milliseconds of CPU time (default 5, 0 to 1000). It takes longer than that on the clock when the CPU is
// shared or throttled, which is what makes latency rise with load.
func work(w http.ResponseWriter, r *http.Request) {
	amount, err := workAmount(r.URL.Query().Get("ms"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	used, err := burn(r.Context(), amount)
	if err != nil {
		// The client has gone; nobody reads the answer, but the code is counted.
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, map[string]any{"cpu_ms": float64(used.Microseconds()) / 1000, "pod": hostname})
}

func workAmount(ms string) (time.Duration, error) {
	if ms == "" {
		return defaultWork, nil
	}
	value, err := strconv.ParseFloat(ms, 64)
	limit := float64(maxWork / time.Millisecond)
	if err != nil || !(value >= 0 && value <= limit) { // written so that NaN is refused
		return 0, fmt.Errorf("ms=%q: must be a number of milliseconds from 0 to %g", ms, limit)
	}
	return time.Duration(value * float64(time.Millisecond)), nil
}

// healthz says that the process can answer. It looks at nothing else: a restart cures nothing outside of the process.
func healthz(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok\n")
}

// readyz says whether new requests should come here.
func (s *server) readyz(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Debug("answer not written", "error", err)
	}
}
