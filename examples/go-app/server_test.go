package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func TestRoutes(t *testing.T) {
	service := httptest.NewServer(newServer(config{}).handler)
	defer service.Close()
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/", 200, `"service":"go-app"`},
		{"/work", 200, `"cpu_ms":`},
		{"/work?ms=0", 200, `"cpu_ms":0,`},
		{"/work?ms=-1", 400, "from 0 to 1000"},
		{"/work?ms=1001", 400, "from 0 to 1000"},
		{"/work?ms=NaN", 400, "from 0 to 1000"},
		{"/work?ms=fast", 400, `ms="fast"`},
		{"/healthz", 200, "ok"},
		{"/readyz", 200, "ok"},
		{"/metrics", 200, "go_goroutines "},
		{"/nowhere", 404, "not found"},
	} {
		status, body := get(t, service.URL+c.path)
		if status != c.status || !strings.Contains(body, c.body) {
			t.Errorf("GET %s: %d %q; want %d with %q", c.path, status, body, c.status, c.body)
		}
	}
}

func TestWorkReportsTheCPUTimeItUsed(t *testing.T) {
	service := httptest.NewServer(newServer(config{}).handler)
	defer service.Close()
	for query, wanted := range map[string]float64{"": 5, "?ms=20": 20, "?ms=0.5": 0.5} {
		_, body := get(t, service.URL+"/work"+query)
		var answer struct {
			CPU float64 `json:"cpu_ms"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if answer.CPU < wanted || answer.CPU > wanted+chunkSlack.Seconds()*1000 {
			t.Errorf("/work%s used %g ms", query, answer.CPU)
		}
	}
}

// start runs the service as main does and returns its address, what a SIGTERM does, and what serve returned.
func start(t *testing.T, cfg config) (url string, terminate context.CancelFunc, stopped <-chan error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	result := make(chan error, 1)
	go func() { result <- newServer(cfg).serve(ctx, listener) }()
	return "http://" + listener.Addr().String(), cancel, result
}

func TestShutdownTurnsUnreadyThenAnswersWhatIsInFlight(t *testing.T) {
	url, terminate, stopped := start(t, config{drainDelay: 700 * time.Millisecond, shutdownTimeout: 10 * time.Second})
	if status, body := get(t, url+"/readyz"); status != 200 {
		t.Fatalf("before: %d %s", status, body)
	}
	slow := make(chan int, 1)
	go func() {
		response, err := http.Get(url + "/work?ms=1000") // longer than the drain delay
		if err != nil {
			slow <- 0
			return
		}
		response.Body.Close()
		slow <- response.StatusCode
	}()
	waitForInFlight(t, url)
	terminate()

	waitFor(t, "readyz to say 503", func() bool { status, _ := get(t, url+"/readyz"); return status == 503 })
	// While the drain lasts, a request that a proxy still sends here is served, and so is the liveness probe; but no connection
	// is kept, so that clients move to the other pods.
	for _, path := range []string{"/", "/healthz"} {
		response, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 200 || !response.Close {
			t.Errorf("GET %s while draining: %d, connection closed: %v", path, response.StatusCode, response.Close)
		}
	}
	if status := <-slow; status != 200 {
		t.Errorf("the request in flight got %d", status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := http.Get(url + "/"); err == nil {
		t.Error("still listening after the shutdown")
	}
}

func TestShutdownIsBounded(t *testing.T) {
	url, terminate, stopped := start(t, config{shutdownTimeout: 50 * time.Millisecond})
	go func() {
		if response, err := http.Get(url + "/work?ms=1000"); err == nil {
			response.Body.Close()
		}
	}()
	waitForInFlight(t, url)
	terminate()
	select {
	case err := <-stopped:
		if err == nil || !strings.Contains(err.Error(), "in flight") {
			t.Errorf("serve: %v; want an error that says requests were cut", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("serve waited for a request longer than the timeout")
	}
}

// waitForInFlight returns when one instrumented request is being answered. Scrapes are not instrumented.
func waitForInFlight(t *testing.T, url string) {
	t.Helper()
	waitFor(t, "a request in flight", func() bool {
		_, body := get(t, url+"/metrics")
		return strings.Contains(body, "\nhttp_requests_in_flight 1\n")
	})
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited 5 s in vain for " + what)
		}
	}
}
