// Command mkimage packs files into a container image without a container runtime, a base image or a registry.
//
//	mkimage --name ballast.test/app:test --out app.tar --base --expose 8080/tcp ./app:/app
//
// The result is a docker-archive with one uncompressed layer. The same inputs give the same bytes: every time stamp is
// SOURCE_DATE_EPOCH, or 1970 when that is unset.
package main

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

func run() error {
	var s spec
	var entrypoint, cmd, env, expose, labels list
	out := flag.String("out", "", "archive to write (required)")
	flag.StringVar(&s.name, "name", "", "image name with registry and tag, such as ballast.test/app:test (required)")
	flag.StringVar(&s.user, "user", "65532:65532", "user and group the container runs as, numeric so that runAsNonRoot can be checked")
	flag.StringVar(&s.workdir, "workdir", "/", "working directory")
	flag.StringVar(&s.arch, "arch", runtime.GOARCH, "architecture of the binaries")
	flag.Var(&entrypoint, "entrypoint", "word of the entry point, repeatable (default: the first file's destination)")
	flag.Var(&cmd, "cmd", "default argument, repeatable")
	flag.Var(&env, "env", "KEY=VALUE, repeatable")
	flag.Var(&expose, "expose", "PORT/PROTOCOL that the program listens on, repeatable")
	flag.Var(&labels, "label", "KEY=VALUE, repeatable")
	base := flag.Bool("base", false, "add /etc/passwd, /etc/group, /etc/nsswitch.conf, CA certificates and /tmp")
	ldd := flag.Bool("ldd", false, "add the shared libraries and the loader of dynamic binaries; implies --base")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: mkimage --name NAME --out FILE [options] SOURCE[:DESTINATION[:MODE]]...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if s.name == "" || *out == "" || flag.NArg() == 0 {
		flag.Usage()
		return fmt.Errorf("--name, --out and at least one file are needed")
	}

	var l layer
	for i, arg := range flag.Args() {
		source, destination, mode, err := parseFile(arg)
		if err != nil {
			return err
		}
		if err := l.add(source, destination, mode); err != nil {
			return err
		}
		if *ldd {
			if err := l.addLibraries(source); err != nil {
				return err
			}
		}
		if i == 0 && len(entrypoint) == 0 {
			entrypoint = list{destination}
		}
	}
	if *base || *ldd {
		if err := l.addBase(); err != nil {
			return err
		}
	}
	created, err := timestamp()
	if err != nil {
		return err
	}
	s.created, s.entrypoint, s.cmd, s.env, s.expose, s.labels = created, entrypoint, cmd, env, expose, labels
	return s.write(&l, *out)
}

// parseFile reads SOURCE[:DESTINATION[:MODE]]. The destination defaults to /NAME, the mode to 0755.
func parseFile(arg string) (source, destination string, mode int64, err error) {
	parts := strings.Split(arg, ":")
	source, destination, mode = parts[0], "/"+filepath.Base(parts[0]), 0o755
	if len(parts) > 1 && parts[1] != "" {
		destination = parts[1]
	}
	if len(parts) > 2 {
		if mode, err = strconv.ParseInt(parts[2], 8, 32); err != nil {
			return "", "", 0, fmt.Errorf("%s: the mode must be octal, such as 0644", arg)
		}
	}
	if len(parts) > 3 || !path.IsAbs(destination) {
		return "", "", 0, fmt.Errorf("%s: want SOURCE[:/DESTINATION[:MODE]]", arg)
	}
	return source, path.Clean(destination), mode, nil
}

func timestamp() (time.Time, error) {
	v := os.Getenv("SOURCE_DATE_EPOCH")
	if v == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH=%q: want seconds since 1970", v)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
