package main

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape reads /metrics over HTTP and parses it as a Prometheus server does.
func scrape(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	_, body := get(t, url+"/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func labels(metric *dto.Metric) map[string]string {
	result := map[string]string{}
	for _, pair := range metric.GetLabel() {
		result[pair.GetName()] = pair.GetValue()
	}
	return result
}

func TestRequestsAreCountedByCodeMethodAndHandler(t *testing.T) {
	service := httptest.NewServer(newServer(config{}).handler)
	defer service.Close()
	for _, path := range []string{"/", "/", "/work?ms=0", "/work?ms=x", "/a", "/b", "/healthz", "/readyz", "/metrics"} {
		get(t, service.URL+path)
	}
	request, err := http.NewRequest("BREW", service.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()

	type key struct{ code, method, handler string }
	want := map[key]float64{
		{"200", "get", "/"}: 2, {"200", "get", "/work"}: 1, {"400", "get", "/work"}: 1,
		{"404", "get", "other"}: 2, {"404", "unknown", "other"}: 1, // neither a path nor a method can make a new series
	}
	families := scrape(t, service.URL)
	counted, timed := map[key]float64{}, map[key]float64{}
	for _, metric := range families["http_requests_total"].GetMetric() {
		l := labels(metric)
		counted[key{l["code"], l["method"], l["handler"]}] = metric.GetCounter().GetValue()
	}
	for _, metric := range families["http_request_duration_seconds"].GetMetric() {
		l := labels(metric)
		timed[key{l["code"], l["method"], l["handler"]}] = float64(metric.GetHistogram().GetSampleCount())
	}
	maps.DeleteFunc(counted, func(_ key, requests float64) bool { return requests == 0 })
	for _, got := range []map[key]float64{counted, timed} {
		if !maps.Equal(got, want) {
			t.Errorf("got %v; want %v", got, want)
		}
	}
	if idle := families["http_requests_in_flight"].GetMetric()[0].GetGauge().GetValue(); idle != 0 {
		t.Errorf("in flight when idle: %v", idle)
	}
}

func TestAnIdleServiceHasARequestRateOfZero(t *testing.T) {
	service := httptest.NewServer(newServer(config{}).handler)
	defer service.Close()
	got := map[string]float64{}
	for _, metric := range scrape(t, service.URL)["http_requests_total"].GetMetric() {
		got[labels(metric)["handler"]+" "+labels(metric)["code"]] = metric.GetCounter().GetValue()
	}
	if want := map[string]float64{"/ 200": 0, "/work 200": 0, "/query 200": 0, "/heap 200": 0, "other 404": 0}; !maps.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
}

func TestRuntimeMetricsAreOptIn(t *testing.T) {
	always := []string{"go_goroutines", "go_sched_gomaxprocs_threads", "go_gc_gomemlimit_bytes", "go_memstats_heap_alloc_bytes",
		"promhttp_metric_handler_requests_total"}
	scheduler := []string{"go_sched_latencies_seconds", "go_sched_goroutines_runnable_goroutines"}
	all := []string{"go_cpu_classes_gc_total_cpu_seconds_total", "go_gc_heap_live_bytes"}
	for _, c := range []struct {
		runtimeMetrics  string
		present, absent []string
	}{
		{runtimeMetricsDefault, always, append(scheduler, all...)},
		{runtimeMetricsScheduler, append(always, scheduler...), all},
		{runtimeMetricsAll, append(append(always, scheduler...), all...), nil},
	} {
		service := httptest.NewServer(newServer(config{runtimeMetrics: c.runtimeMetrics}).handler)
		families := scrape(t, service.URL)
		service.Close()
		for _, name := range c.present {
			if families[name] == nil {
				t.Errorf("%s: no %s", c.runtimeMetrics, name)
			}
		}
		for _, name := range c.absent {
			if families[name] != nil {
				t.Errorf("%s: %s is there", c.runtimeMetrics, name)
			}
		}
	}
}

// The checks of `promtool check metrics`, for the service's own metrics.
func TestMetricsPassPromlint(t *testing.T) {
	service := httptest.NewServer(newServer(config{}).handler)
	defer service.Close()
	get(t, service.URL+"/")
	var own []*dto.MetricFamily
	for _, name := range []string{"http_requests_total", "http_requests_in_flight", "http_request_duration_seconds"} {
		family := scrape(t, service.URL)[name]
		if family == nil {
			t.Fatal("no " + name)
		}
		own = append(own, family)
	}
	problems, err := promlint.NewWithMetricFamilies(own).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
