package main

import (
	"context"
	"net"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// workService is go_app.v1.Work with one method, Burn, which takes a duration of CPU time and answers with what it used. It is
// written out by hand, so that the example needs no protoc.
var workService = grpc.ServiceDesc{
	ServiceName: "go_app.v1.Work",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Burn",
		Handler: func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			request := new(durationpb.Duration)
			if err := decode(request); err != nil {
				return nil, err
			}
			info := &grpc.UnaryServerInfo{FullMethod: "/go_app.v1.Work/Burn"}
			return intercept(ctx, request, info, burnCall)
		},
	}},
}

func burnCall(ctx context.Context, request any) (any, error) {
	amount := request.(*durationpb.Duration).AsDuration()
	if amount < 0 || amount > maxWork {
		return nil, status.Errorf(codes.InvalidArgument, "%v: must be from 0 to %v", amount, maxWork)
	}
	used, err := burn(ctx, amount)
	if err != nil {
		return nil, status.FromContextError(err).Err()
	}
	return durationpb.New(used), nil
}

// newRPC makes the gRPC server with the interceptor that counts grpc_server_*. Each method has its series from the start, so that
// the rate of an idle service is 0 and rate() sees the first call.
func newRPC(m *metrics) *grpc.Server {
	counted := grpcprom.NewServerMetrics()
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(counted.UnaryServerInterceptor()),
		grpc.ChainStreamInterceptor(counted.StreamServerInterceptor()),
	)
	server.RegisterService(&workService, nil)
	healthpb.RegisterHealthServer(server, health.NewServer())
	counted.InitializeMetrics(server)
	m.registry.MustRegister(counted)
	return server
}

// serveRPC answers calls until ctx ends, then lets those in flight end.
func serveRPC(ctx context.Context, server *grpc.Server, listener net.Listener) {
	context.AfterFunc(ctx, server.GracefulStop)
	_ = server.Serve(listener) // ends with the listener
}
