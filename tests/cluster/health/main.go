// What GitOps tools make of an object: Argo CD by a health check in Lua, Flux by its healthCheckExprs, and whoever judges by kstatus (Flux without
// expressions, Helm). Lua runs as in Argo CD, the same interpreter with the same libraries; the rest is Flux's own code.
//
// Reads {"object": ..., "lua": "...", "exprs": [...]} from stdin, and writes {"lua": {"status", "message"}, "exprs": "...", "kstatus": "..."} to stdout. What
// is not given is not judged.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/event"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

type question struct {
	Object *unstructured.Unstructured    `json:"object"`
	Lua    string                        `json:"lua"`
	Exprs  []kustomize.CustomHealthCheck `json:"exprs"`
}

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type answer struct {
	Lua     *verdict `json:"lua,omitempty"`
	Exprs   *verdict `json:"exprs,omitempty"`
	Kstatus verdict  `json:"kstatus"`
}

func main() {
	var asked question
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		log.Fatal(err)
	}
	judged, err := judge(asked)
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(judged); err != nil {
		log.Fatal(err)
	}
}

func judge(asked question) (answer, error) {
	var judged answer
	result, err := status.Compute(asked.Object)
	if err != nil {
		return judged, err
	}
	judged.Kstatus = verdict{Status: result.Status.String(), Message: result.Message}
	if asked.Lua != "" {
		if judged.Lua, err = argo(asked.Object, asked.Lua); err != nil {
			return judged, err
		}
	}
	if len(asked.Exprs) > 0 {
		judged.Exprs, err = flux(asked.Object, asked.Exprs)
	}
	return judged, err
}

// argo runs a health check with what Argo CD opens of Lua's libraries: base, package and table, and of os only what it calls safe, which is left out here.
func argo(object *unstructured.Unstructured, script string) (*verdict, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return nil, err
		}
	}
	limited, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limited)
	state.SetGlobal("obj", value(state, object.Object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("expected a table from Lua, not %s", state.Get(-1).Type())
	}
	judged := verdict{Status: lua.LVAsString(table.RawGetString("status")), Message: lua.LVAsString(table.RawGetString("message"))}
	switch judged.Status {
	case "Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown":
		return &judged, nil
	}
	return nil, fmt.Errorf("Lua returned the health status %q", judged.Status)
}

// value is the Lua value of a part of an object, as Argo CD has it: all numbers are floating point.
func value(state *lua.LState, of any) lua.LValue {
	switch of := of.(type) {
	case bool:
		return lua.LBool(of)
	case float64:
		return lua.LNumber(of)
	case int64:
		return lua.LNumber(of)
	case string:
		return lua.LString(of)
	case []any:
		table := state.CreateTable(len(of), 0)
		for _, item := range of {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(of))
		for key, item := range of {
			table.RawSetString(key, value(state, item))
		}
		return table
	}
	return lua.LNil
}

// flux judges as its Kustomization does that has these healthCheckExprs.
func flux(object *unstructured.Unstructured, checks []kustomize.CustomHealthCheck) (*verdict, error) {
	reader, err := cel.NewStatusReader(checks)
	if err != nil {
		return nil, err
	}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{object.GroupVersionKind().GroupVersion()})
	mapper.Add(object.GroupVersionKind(), meta.RESTScopeNamespace)
	var read *event.ResourceStatus
	if read, err = reader(mapper).ReadStatusForObject(context.Background(), nil, object); err != nil {
		return nil, err
	}
	judged := verdict{Status: read.Status.String(), Message: read.Message}
	if read.Error != nil {
		judged.Message = read.Error.Error()
	}
	return &judged, nil
}
