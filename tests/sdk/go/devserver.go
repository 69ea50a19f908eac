package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
)

// The SDK starts the server's binary itself, as it would start a development
// server.
var devServerScenarios = []scenario{
	{"dev server: runs a workflow", devServerRuns},
	{"dev server: keeps its data", devServerKeepsData},
}

// withDevServer starts the binary and a worker, and plays on it.
func (s *stage) withDevServer(options testsuite.DevServerOptions, play func(*stage)) {
	options.ExistingPath = os.Getenv("STEADFAST_BINARY")
	options.Stdout, options.Stderr = io.Discard, os.Stderr
	options.ClientOptions = &client.Options{Namespace: "a-namespace", Logger: quiet{}}
	options.SearchAttributes = temporal.NewSearchAttributes(integer.ValueSet(0), keyword.ValueSet(""))
	server, err := testsuite.StartDevServer(s, options)
	s.must(err)
	c := server.Client()
	defer func() {
		c.Close()
		s.must(server.Stop()) // an exit status other than 0 is an error
	}()
	w := startWorker(c, s.taskQueue)
	defer w.Stop()
	play(&stage{s.Context, c, s.taskQueue, s.id})
}

func (s *stage) freePort() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

func devServerRuns(s *stage) {
	uiPort, metricsPort := s.freePort(), s.freePort()
	options := testsuite.DevServerOptions{
		EnableUI:  true,
		UIPort:    uiPort,
		LogLevel:  "error",
		LogFormat: "json",
		ExtraArgs: []string{
			"--metrics-port", metricsPort,
			"--http-port", s.freePort(),
			"--sqlite-pragma", "journal_mode=WAL",
			"--sqlite-pragma", "synchronous=OFF",
			"--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=50",
			"--dynamic-config-value", `callback.allowedAddresses=[{"Pattern":"*","AllowInsecure":true}]`,
			"--ui-asset-path", "none",
			"--log-level", "never",
		},
	}
	s.withDevServer(options, func(d *stage) {
		run := d.startWith(client.StartWorkflowOptions{
			TypedSearchAttributes: temporal.NewSearchAttributes(integer.ValueSet(7), keyword.ValueSet("local")),
		}, collect, 1)
		d.signal(5)
		d.equal("numbers", result[[]int](d, run), []int{5})

		d.eventually("the workflow in the list", func() bool {
			listed, err := d.ListWorkflow(d, &workflowservice.ListWorkflowExecutionsRequest{
				Query: "SdkInt = 7 AND SdkKeyword = 'local' AND ExecutionStatus = 'Completed'",
			})
			d.must(err)
			return len(listed.Executions) == 1 && listed.Executions[0].Execution.WorkflowId == d.id
		})
		for _, page := range []string{uiPort, metricsPort + "/metrics"} {
			answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%s", page))
			d.must(err)
			answer.Body.Close()
			d.equal("status of "+page, answer.StatusCode, http.StatusOK)
		}
	})
}

// With a database file, what one server was told is known to the next.
func devServerKeepsData(s *stage) {
	folder, err := os.MkdirTemp("", "steadfast-dev-server-")
	s.must(err)
	defer os.RemoveAll(folder)
	options := testsuite.DevServerOptions{DBFilename: folder + "/temporal.db"}

	var running client.WorkflowRun
	s.withDevServer(options, func(d *stage) {
		running = d.start(collect, 2)
		d.signal(1)
		d.equal("numbers before", d.ask(0), []int{1})
	})
	s.withDevServer(options, func(d *stage) {
		d.signal(2)
		run := d.GetWorkflow(d, running.GetID(), running.GetRunID())
		d.equal("numbers", result[[]int](d, run), []int{1, 2})
	})
}
