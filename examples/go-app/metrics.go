package main

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics holds the instruments of promhttp under their customary names, with client_golang's Go and process collectors.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	inFlight prometheus.Gauge
	duration *prometheus.HistogramVec
}

func newMetrics(runtimeMetrics string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total",
			Help: "HTTP requests answered, by status code, method and handler.",
		}, []string{"code", "method", "handler"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight",
			Help: "HTTP requests being answered now.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "http_request_duration_seconds",
			Help:    "Time from reading a request's header to the end of its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"code", "method", "handler"}),
	}
	m.registry.MustRegister(m.requests, m.inFlight, m.duration, goCollector(runtimeMetrics),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// goCollector adds to the default set: "scheduler" brings go_sched_* (latency histogram, and since Go 1.26 the goroutines by
// state), "all" also garbage collection, CPU classes and memory classes: some hundred series more per pod.
func goCollector(runtimeMetrics string) prometheus.Collector {
	switch runtimeMetrics {
	case runtimeMetricsScheduler:
		return collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsScheduler))
	case runtimeMetricsAll:
		return collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsAll))
	default:
		return collectors.NewGoCollector()
	}
}

// instrument wraps one handler. The name is part of the program, never of the request, so no client can make new series. The
// counter for the usual status code exists from the start: the rate of an idle service is then 0 instead of an empty result, and
// rate() sees the first request.
func (m *metrics) instrument(name string, usual int, next http.Handler) http.Handler {
	labels := prometheus.Labels{"handler": name}
	m.requests.WithLabelValues(strconv.Itoa(usual), "get", name)
	return promhttp.InstrumentHandlerInFlight(m.inFlight,
		promhttp.InstrumentHandlerDuration(m.duration.MustCurryWith(labels),
			promhttp.InstrumentHandlerCounter(m.requests.MustCurryWith(labels), next)))
}

func (m *metrics) exposition() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry,
		promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
}
