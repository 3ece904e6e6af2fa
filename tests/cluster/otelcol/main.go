// An OpenTelemetry Collector with what the tests need: it takes traces by OTLP and writes them to a file, a batch per line, as OTLP's JSON. The
// exporter is its own, since the tests of the one in contrib need modules that cannot be had everywhere.
package main

import (
	"context"
	"log"
	"os"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

func main() {
	collector := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "otelcol", Description: "OpenTelemetry Collector for tests", Version: "test"},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
				DefaultScheme:     "file",
			},
		},
	})
	if err := collector.Execute(); err != nil {
		log.Fatal(err)
	}
}

func factories() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	file := exporter.NewFactory(
		component.MustNewType("file"),
		func() component.Config { return &fileConfig{} },
		exporter.WithTraces(newFile, component.StabilityLevelDevelopment),
	)
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](file)
	return otelcol.Factories{Receivers: receivers, Exporters: exporters, Telemetry: otelconftelemetry.NewFactory()}, err
}

type fileConfig struct {
	Path string `mapstructure:"path"`
}

type fileExporter struct {
	component.StartFunc
	component.ShutdownFunc
	consumer.Traces
}

func newFile(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Traces, error) {
	file, err := os.Create(config.(*fileConfig).Path)
	if err != nil {
		return nil, err
	}
	var marshaler ptrace.JSONMarshaler
	traces, err := consumer.NewTraces(func(_ context.Context, batch ptrace.Traces) error {
		line, err := marshaler.MarshalTraces(batch)
		if err != nil {
			return err
		}
		_, err = file.Write(append(line, '\n'))
		return err
	})
	closing := func(context.Context) error { return file.Close() }
	return fileExporter{ShutdownFunc: closing, Traces: traces}, err
}
