package main

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// The preset sql-pool-wait divides nothing: seconds waited per second are the goroutines that wait.
func TestQueriesBeyondThePoolWaitForAConnection(t *testing.T) {
	service := httptest.NewServer(newServer(config{dbConnections: 1}).handler)
	defer service.Close()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { get(t, service.URL+"/query?ms=50") })
	}
	all.Wait()
	families := scrape(t, service.URL)
	value := func(name string) float64 {
		metric := families[name].GetMetric()[0]
		if labels(metric)["db_name"] != dbName {
			t.Errorf("%s: labels %v", name, labels(metric))
		}
		return metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
	}
	// The second, third and fourth wait for one, two and three others.
	if waits, seconds := value("go_sql_wait_count_total"), value("go_sql_wait_duration_seconds_total"); waits != 3 || seconds < 0.28 {
		t.Errorf("%v waits, %v s", waits, seconds)
	}
	if most := value("go_sql_max_open_connections"); most != 1 {
		t.Errorf("at most %v connections", most)
	}
}

func TestTheHeapIsKept(t *testing.T) {
	service := httptest.NewServer(newServer(config{runtimeMetrics: runtimeMetricsAll}).handler)
	defer service.Close()
	if status, body := get(t, service.URL+"/heap?mb=64"); status != 200 || !strings.Contains(body, `"kept_mb":64`) {
		t.Fatalf("%d %s", status, body)
	}
	if live := scrape(t, service.URL)["go_memstats_heap_alloc_bytes"].GetMetric()[0].GetGauge().GetValue(); live < 64<<20 {
		t.Errorf("%v bytes of heap", live)
	}
	for _, bad := range []string{"", "-1", "much", "4097"} {
		if status, _ := get(t, service.URL+"/heap?mb="+bad); status != 400 {
			t.Errorf("mb=%q: %d", bad, status)
		}
	}
}
