package main

import (
	"fmt"
	"maps"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Memos, search attributes, and finding workflows by them.
var visibilityGroup = group{
	workflows: []any{annotate},
	scenarios: []scenario{
		{"memo, changed by the workflow", memo},
		{"search attributes, list and count", searchAttributes},
		{"list by status, type and time", listBySystemAttributes},
		{"list in pages", listInPages},
	},
}

// One custom search attribute of every type.
var (
	keyword  = temporal.NewSearchAttributeKeyKeyword("SdkKeyword")
	text     = temporal.NewSearchAttributeKeyString("SdkText")
	integer  = temporal.NewSearchAttributeKeyInt64("SdkInt")
	double   = temporal.NewSearchAttributeKeyFloat64("SdkDouble")
	boolean  = temporal.NewSearchAttributeKeyBool("SdkBool")
	datetime = temporal.NewSearchAttributeKeyTime("SdkDatetime")
	keywords = temporal.NewSearchAttributeKeyKeywordList("SdkKeywordList")
)

var noon = time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)

// annotate changes the workflow's own memo and search attributes.
func annotate(ctx workflow.Context) error {
	if info := workflow.GetInfo(ctx); info.Memo != nil {
		err := workflow.UpsertMemo(ctx, map[string]any{"color": "green", "shape": nil, "size": 3})
		if err != nil {
			return err
		}
	}
	given := workflow.GetTypedSearchAttributes(ctx)
	if n, ok := given.GetInt64(integer); ok {
		return workflow.UpsertTypedSearchAttributes(ctx,
			integer.ValueSet(n+1),
			boolean.ValueUnset(),
			keywords.ValueSet([]string{"red", "blue"}),
		)
	}
	return nil
}

// --- scenarios ---

func memo(s *stage) {
	run := s.startWith(client.StartWorkflowOptions{
		Memo: map[string]any{"color": "red", "shape": "round", "weight": 1.5},
	}, annotate)
	s.must(run.Get(s, nil))
	want := map[string]string{"color": `"green"`, "size": "3", "weight": "1.5"}

	described, err := s.DescribeWorkflowExecution(s, s.id, "")
	s.must(err)
	s.equal("memo described", plain(described.WorkflowExecutionInfo.Memo.GetFields()), want)
	s.eventually("the new memo in the list", func() bool {
		listed, err := s.ListWorkflow(s, &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowId = '%s'", s.id),
		})
		s.must(err)
		return len(listed.Executions) == 1 && maps.Equal(plain(listed.Executions[0].Memo.GetFields()), want)
	})
}

// plain shows encoded values as text.
func plain(fields map[string]*commonpb.Payload) map[string]string {
	texts := map[string]string{}
	for name, payload := range fields {
		texts[name] = converter.GetDefaultDataConverter().ToString(payload)
	}
	return texts
}

func searchAttributes(s *stage) {
	s.registerAttributes()
	run := s.startWith(client.StartWorkflowOptions{
		TypedSearchAttributes: temporal.NewSearchAttributes(
			keyword.ValueSet(s.id),
			text.ValueSet("The quick brown fox"),
			integer.ValueSet(41),
			double.ValueSet(2.5),
			boolean.ValueSet(true),
			datetime.ValueSet(noon),
			keywords.ValueSet([]string{"green"}),
		),
	}, annotate)
	s.must(run.Get(s, nil))

	described, err := s.DescribeWorkflow(s, s.id, "")
	s.must(err)
	found := described.TypedSearchAttributes
	n, _ := found.GetInt64(integer)
	s.equal("integer", n, int64(42))
	_, set := found.GetBool(boolean)
	s.equal("boolean is set", set, false)
	at, _ := found.GetTime(datetime)
	s.equal("datetime", at.UTC(), noon)
	list, _ := found.GetKeywordList(keywords)
	s.equal("keywords", list, []string{"red", "blue"})

	// Visibility follows; once it has the last change, every filter must agree.
	mine := fmt.Sprintf("SdkKeyword = '%s' AND ", s.id)
	s.eventually("the workflow with its last attributes", func() bool {
		return s.count(mine+"SdkInt = 42 AND ExecutionStatus = 'Completed'") == 1
	})
	for filter, want := range map[string]int64{
		"SdkText = 'QUICK'":                              1,
		"SdkText = 'slow'":                               0,
		"SdkInt = 41":                                    0,
		"SdkInt > 41 AND SdkInt <= 42":                   1,
		"SdkInt BETWEEN 40 AND 50":                       1,
		"SdkInt IN (1, 42)":                              1,
		"SdkDouble >= 2.5":                               1,
		"SdkDouble < 2.5":                                0,
		"SdkBool IS NULL":                                1,
		"SdkBool = true":                                 0,
		"SdkDatetime > '2024-05-06T11:59:59Z'":           1,
		"SdkDatetime < '2024-05-06T13:00:00+02:00'":      0,
		"SdkKeywordList = 'red'":                         1,
		"SdkKeywordList IN ('blue', 'black')":            1,
		"SdkKeywordList = 'green'":                       0,
		"SdkKeyword STARTS_WITH 'go-'":                   1,
		"SdkKeyword != 'other'":                          1,
		"(SdkInt = 1 OR SdkInt = 42) AND NOT SdkInt = 2": 1,
	} {
		if got := s.count(mine + filter); got != want {
			s.failf("%d workflows found by %q, not %d", got, filter, want)
		}
	}
}

// registerAttributes makes the custom attributes known to the namespace. Others
// may have done so before: that is no error.
func (s *stage) registerAttributes() {
	types := map[string]enumspb.IndexedValueType{}
	for _, key := range []temporal.SearchAttributeKey{keyword, text, integer, double, boolean, datetime, keywords} {
		types[key.GetName()] = key.GetValueType()
	}
	_, err := s.OperatorService().AddSearchAttributes(s, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace(), SearchAttributes: types,
	})
	s.must(err)
	s.eventually("all attributes listed", func() bool {
		listed, err := s.OperatorService().ListSearchAttributes(s, &operatorservice.ListSearchAttributesRequest{Namespace: namespace()})
		s.must(err)
		for name, kind := range types {
			if listed.CustomAttributes[name] != kind {
				return false
			}
		}
		return true
	})
}

func (s *stage) count(query string) int64 {
	counted, err := s.CountWorkflow(s, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	s.must(err)
	return counted.Count
}

func listBySystemAttributes(s *stage) {
	before := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	for i := range 3 {
		run := s.startWith(client.StartWorkflowOptions{ID: fmt.Sprintf("%s-%d", s.id, i)}, countDown, 0, i)
		s.must(run.Get(s, nil))
	}
	s.failure(s.startWith(client.StartWorkflowOptions{ID: s.id + "-3"}, failForever))

	mine := fmt.Sprintf("WorkflowId STARTS_WITH '%s' AND ", s.id)
	s.eventually("three completed workflows and a failed one", func() bool {
		return s.count(mine+"ExecutionStatus = 'Completed'") == 3 && s.count(mine+"ExecutionStatus = 'Failed'") == 1
	})
	s.equal("number by type", s.count(mine+"WorkflowType = 'countDown'"), int64(3))
	s.equal("number by task queue", s.count(mine+fmt.Sprintf("TaskQueue = '%s'", s.taskQueue)), int64(4))
	s.equal("number by start time", s.count(mine+fmt.Sprintf("StartTime > '%s'", before)), int64(4))
	s.equal("number started long ago", s.count(mine+fmt.Sprintf("StartTime < '%s'", before)), int64(0))
	s.equal("number still open", s.count(mine+"CloseTime IS NULL"), int64(0))

	grouped, err := s.CountWorkflow(s, &workflowservice.CountWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowId STARTS_WITH '%s' GROUP BY ExecutionStatus", s.id),
	})
	s.must(err)
	s.equal("number of groups", len(grouped.Groups), 2)
}

func listInPages(s *stage) {
	const count = 7
	for i := range count {
		run := s.startWith(client.StartWorkflowOptions{ID: fmt.Sprintf("%s-%d", s.id, i)}, countDown, 0, i)
		s.must(run.Get(s, nil))
	}
	query := fmt.Sprintf("WorkflowId STARTS_WITH '%s' AND ExecutionStatus = 'Completed'", s.id)
	s.eventually("all workflows in visibility", func() bool { return s.count(query) == count })

	seen := map[string]bool{}
	request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: 3, Query: query}
	for {
		page, err := s.ListWorkflow(s, request)
		s.must(err)
		if len(page.Executions) > 3 {
			s.failf("a page of %d", len(page.Executions))
		}
		for _, execution := range page.Executions {
			seen[execution.Execution.WorkflowId] = true
		}
		if request.NextPageToken = page.NextPageToken; len(request.NextPageToken) == 0 {
			break
		}
	}
	s.equal("workflows seen", len(seen), count)
}
