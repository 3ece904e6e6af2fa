package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// spec is the image's configuration.
type spec struct {
	name, user, workdir, arch            string
	entrypoint, cmd, env, expose, labels []string
	created                              time.Time
}

// write packs the layer and the configuration into a docker-archive. The file appears whole or not at all.
func (s *spec) write(l *layer, out string) error {
	tag, err := name.NewTag(s.name, name.StrictValidation)
	if err != nil {
		return err
	}
	content, err := l.tar(s.created)
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer(content, types.DockerUncompressedLayer))
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	// containerd drops images whose platform is not this machine's; an empty platform counts as foreign.
	config.OS, config.Architecture = "linux", s.arch
	config.Created = v1.Time{Time: s.created}
	if config.Config, err = s.runtime(); err != nil {
		return err
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(out), filepath.Base(out)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if err := tarball.Write(tag, img, temporary); err != nil {
		return err
	}
	if err := temporary.Chmod(0o644); err != nil {
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), out)
}

func (s *spec) runtime() (v1.Config, error) {
	c := v1.Config{User: s.user, WorkingDir: s.workdir, Entrypoint: s.entrypoint, Cmd: s.cmd}
	c.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, s.env...)
	for _, port := range s.expose {
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		c.ExposedPorts[port] = struct{}{}
	}
	for _, label := range s.labels {
		key, value, found := strings.Cut(label, "=")
		if !found {
			return c, fmt.Errorf("--label %s: want KEY=VALUE", label)
		}
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[key] = value
	}
	return c, nil
}
