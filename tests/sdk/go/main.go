// This program runs real workflows with the Go SDK against a server and checks
// what comes back. It is worker and client in one process:
//
//	STEADFAST_ADDRESS=127.0.0.1:7233 STEADFAST_NAMESPACE=default go run .
//
// With STEADFAST_BINARY, the SDK starts servers of its own from that binary too.
//
// Every scenario prints `ok NAME` or `FAIL NAME: reason`. At the end the
// histories of all runs go through the SDK's replayer, the strictest reader of
// histories there is.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
)

// timeLimit is for the whole program, which therefore always ends. It needs a
// small part of this, unless the machine is very busy.
const timeLimit = 100 * time.Second

// groups is filled by main and not here, since scenarios use it in turn: some
// start a worker of their own.
var groups []group

func main() {
	groups = []group{
		activityGroup,
		completionGroup,
		timerGroup,
		messageGroup,
		childGroup,
		runGroup,
		identityGroup,
		visibilityGroup,
		historyGroup,
	}

	time.AfterFunc(timeLimit, func() {
		fmt.Printf("FAIL time limit: not done after %v\n", timeLimit)
		os.Exit(2)
	})

	c, err := client.Dial(client.Options{
		HostPort:  environment("STEADFAST_ADDRESS", "127.0.0.1:7233"),
		Namespace: namespace(),
		Logger:    quiet{},
	})
	if err != nil {
		fmt.Println("FAIL connect:", err)
		os.Exit(1)
	}
	defer c.Close()

	// One name for the task queue and, as a prefix, for all workflow ids: runs
	// of this program do not meet each other on a shared server.
	name := "go-" + uuid.NewString()[:8]
	tally := &tally{}

	w := startWorker(c, name)
	for _, g := range groups {
		for _, s := range g.scenarios {
			tally.begin(c, name, s)
		}
	}
	if os.Getenv("STEADFAST_BINARY") != "" {
		for _, s := range devServerScenarios {
			tally.begin(c, name, s)
		}
	}
	tally.wait()
	w.Stop()

	// The cache is one for the whole process, so a worker without one can only
	// follow when the worker with the cache is gone.
	worker.SetStickyWorkflowCacheSize(0)
	w = startWorker(c, name)
	for _, s := range cachelessScenarios {
		tally.begin(c, name, s)
	}
	tally.wait()
	w.Stop()

	tally.begin(c, name, scenario{"replay of all histories", replayEverything})
	tally.wait()

	fmt.Printf("%d passed, %d failed\n", tally.passed, tally.failed)
	if tally.failed > 0 {
		os.Exit(1)
	}
}

func startWorker(c client.Client, taskQueue string) worker.Worker {
	w := worker.New(c, taskQueue, worker.Options{})
	for _, g := range groups {
		for _, wf := range g.workflows {
			w.RegisterWorkflow(wf)
		}
		for _, a := range g.activities {
			w.RegisterActivity(a)
		}
	}
	if err := w.Start(); err != nil {
		fmt.Println("FAIL worker:", err)
		os.Exit(1)
	}
	return w
}

func namespace() string { return environment("STEADFAST_NAMESPACE", client.DefaultNamespace) }

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// quiet drops the SDK's log: failures are what these scenarios are made of, and
// reports of them would bury the result.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

var _ log.Logger = quiet{}
