package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func pack(t *testing.T, s spec, l *layer) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "image.tar")
	if err := s.write(l, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestImageCarriesPlatformConfigAndOneUncompressedLayer(t *testing.T) {
	source := filepath.Join(t.TempDir(), "app")
	if err := os.WriteFile(source, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := spec{name: "ballast.test/app:test", user: "65532:65532", arch: "amd64", entrypoint: []string{"/opt/app"}, expose: []string{"8080"}, created: time.Unix(7, 0)}
	var archives [][]byte
	for range 2 {
		var l layer
		if err := l.add(source, "/opt/app", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := l.addBase(); err != nil {
			t.Fatal(err)
		}
		out := pack(t, s, &l)
		archive, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, archive)

		img, err := tarball.ImageFromPath(out, nil)
		if err != nil {
			t.Fatal(err)
		}
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.OS != "linux" || config.Architecture != "amd64" || config.Config.User != "65532:65532" {
			t.Errorf("config: %+v", config)
		}
		if _, ok := config.Config.ExposedPorts["8080/tcp"]; !ok {
			t.Errorf("exposed ports: %v", config.Config.ExposedPorts)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("the same inputs gave different archives")
	}
	files := layerFiles(t, archives[0])
	for name, mode := range map[string]int64{"opt/": 0o755, "opt/app": 0o755, "etc/passwd": 0o644, "tmp/": 0o1777} {
		if files[name] != mode {
			t.Errorf("%s has mode %o, want %o", name, files[name], mode)
		}
	}
}

// layerFiles finds the layer inside the archive and reads it as plain tar: a compressed layer fails.
func layerFiles(t *testing.T, archive []byte) map[string]int64 {
	t.Helper()
	outer := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := outer.Next()
		if err != nil {
			t.Fatal("no layer in the archive: ", err)
		}
		if !strings.Contains(header.Name, ".tar") {
			continue
		}
		files := map[string]int64{}
		for inner := tar.NewReader(outer); ; {
			h, err := inner.Next()
			if err == io.EOF {
				return files
			} else if err != nil {
				t.Fatal(err)
			}
			if !h.ModTime.Equal(time.Unix(7, 0)) {
				t.Errorf("%s: time %v", h.Name, h.ModTime)
			}
			files[h.Name] = h.Mode
		}
	}
}

func TestLibrariesOfADynamicBinaryAreAdded(t *testing.T) {
	var l layer
	if err := l.addLibraries("/bin/ls"); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range l.entries {
		names = append(names, filepath.Base(name))
	}
	for _, want := range []string{"libc.so", "ld-"} {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, want) }) {
			t.Errorf("no %s* among %v", want, names)
		}
	}
}

func TestFileArguments(t *testing.T) {
	for arg, want := range map[string]string{"a/b": "/b", "a/b:/c/d": "/c/d", "a/b:/c:0644": "/c"} {
		if _, got, _, err := parseFile(arg); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", arg, got, err, want)
		}
	}
	for _, arg := range []string{"a:b", "a:/b:9x", "a:/b:644:c"} {
		if _, _, _, err := parseFile(arg); err == nil {
			t.Errorf("%s was accepted", arg)
		}
	}
}
