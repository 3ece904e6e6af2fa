package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

type entry struct {
	name    string
	mode    int64
	dir     bool
	content []byte
}

// layer collects the files of an image by destination; adding a path twice keeps the first.
type layer struct{ entries map[string]entry }

func (l *layer) put(e entry) {
	if l.entries == nil {
		l.entries = map[string]entry{}
	}
	if _, present := l.entries[e.name]; !present {
		l.entries[e.name] = e
	}
	if parent := path.Dir(e.name); parent != "/" {
		l.put(entry{name: parent, mode: 0o755, dir: true})
	}
}

// add puts the file at source, links resolved, to destination.
func (l *layer) add(source, destination string, mode int64) error {
	content, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	l.put(entry{name: destination, mode: mode, content: content})
	return nil
}

// "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)" or "/lib64/ld-linux-x86-64.so.2 (0x…)"; linux-vdso has no path.
var library = regexp.MustCompile(`(?m)(?:=>\s*)?(/\S+) \(0x`)

// addLibraries adds what the dynamic loader of this machine resolves for source, the loader included. A static binary or a
// file that is no ELF needs nothing.
func (l *layer) addLibraries(source string) error {
	f, err := elf.Open(source)
	var notELF *elf.FormatError
	if errors.As(err, &notELF) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	if !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return nil
	}
	out, err := exec.Command("ldd", source).CombinedOutput()
	if err != nil || strings.Contains(string(out), "not found") {
		return fmt.Errorf("ldd %s: %v\n%s", source, err, out)
	}
	for _, m := range library.FindAllStringSubmatch(string(out), -1) {
		if err := l.add(m[1], m[1], 0o755); err != nil {
			return err
		}
	}
	return nil
}

const (
	passwd = "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"
	group  = "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n"
	// "files dns": without this file glibc asks nothing but DNS on some versions, and /etc/hosts is ignored.
	nsswitch     = "passwd: files\ngroup: files\nhosts: files dns\n"
	certificates = "/etc/ssl/certs/ca-certificates.crt"
)

// addBase adds what programs expect of a distroless base image.
func (l *layer) addBase() error {
	l.put(entry{name: "/etc/passwd", mode: 0o644, content: []byte(passwd)})
	l.put(entry{name: "/etc/group", mode: 0o644, content: []byte(group)})
	l.put(entry{name: "/etc/nsswitch.conf", mode: 0o644, content: []byte(nsswitch)})
	l.put(entry{name: "/tmp", mode: 0o1777, dir: true})
	if err := l.add(certificates, certificates, 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// tar writes the layer with sorted names, one owner and one time stamp, so that equal files give equal bytes.
func (l *layer) tar(created time.Time) ([]byte, error) {
	names := make([]string, 0, len(l.entries))
	for name := range l.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, name := range names {
		e := l.entries[name]
		header := &tar.Header{Name: strings.TrimPrefix(name, "/"), Mode: e.mode, ModTime: created, Typeflag: tar.TypeReg, Size: int64(len(e.content))}
		if e.dir {
			header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
		}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	return buffer.Bytes(), w.Close()
}
