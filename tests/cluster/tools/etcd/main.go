// Command etcd is the etcd server. Its own main package can't be built from another module, because the server module carries
// replace directives; the entry point it calls can.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
