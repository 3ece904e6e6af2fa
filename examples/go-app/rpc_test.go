package main

import (
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestCallsAreCountedByTheInterceptor(t *testing.T) {
	server := newServer(config{grpcPort: "0"})
	service := httptest.NewServer(server.handler)
	defer service.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go serveRPC(t.Context(), server.rpc, listener)
	client, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	calls := func(name string) float64 {
		for _, metric := range scrape(t, service.URL)[name].GetMetric() {
			if labels(metric)["grpc_method"] == "Burn" && (labels(metric)["grpc_code"] == "" || labels(metric)["grpc_code"] == "OK") {
				return metric.GetCounter().GetValue()
			}
		}
		t.Fatalf("no %s of Burn", name)
		return 0
	}
	if idle := calls("grpc_server_started_total"); idle != 0 {
		t.Errorf("calls before the first one: %v", idle)
	}
	answer := new(durationpb.Duration)
	if err := client.Invoke(t.Context(), "/go_app.v1.Work/Burn", durationpb.New(5*time.Millisecond), answer); err != nil {
		t.Fatal(err)
	}
	if answer.AsDuration() < 5*time.Millisecond {
		t.Errorf("burned %v", answer.AsDuration())
	}
	err = client.Invoke(t.Context(), "/go_app.v1.Work/Burn", durationpb.New(time.Hour), answer)
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("an hour: %v", err)
	}
	if started, handled := calls("grpc_server_started_total"), calls("grpc_server_handled_total"); started != 2 || handled != 1 {
		t.Errorf("started %v, handled with OK %v", started, handled)
	}
}
