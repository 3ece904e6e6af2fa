package main

import (
	"net/http/httptest"
	"testing"
)

// The process collector reads /proc. Ballast's CPU presets divide process_cpu_seconds_total by go_sched_gomaxprocs_threads.
func TestWorkShowsInProcessCPUSeconds(t *testing.T) {
	service := httptest.NewServer(newServer(config{}).handler)
	defer service.Close()
	seconds := func() float64 {
		return scrape(t, service.URL)["process_cpu_seconds_total"].GetMetric()[0].GetCounter().GetValue()
	}
	before := seconds()
	get(t, service.URL+"/work?ms=300")
	if used := seconds() - before; used < 0.25 {
		t.Errorf("300 ms of work showed up as %g s", used)
	}
}
