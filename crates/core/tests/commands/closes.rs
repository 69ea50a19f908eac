//! Commands that close the run.

use std::sync::Arc;

use steadfast_core::limits::Limits;
use steadfast_core::query::{self, BufferedQuery};
use steadfast_protocol::command::command::Attributes as Do;
use steadfast_protocol::command::*;
use steadfast_protocol::enums::WorkflowExecutionStatus as Status;
use steadfast_protocol::query::WorkflowQueryResult;
use steadfast_protocol::sdk::UserMetadata;
use steadfast_protocol::workflowservice::RespondWorkflowTaskCompletedRequest;

use crate::world::{World, boom, command, complete, payload, schedule, text, timer};

#[test]
fn each_leaves_its_event_and_its_status() {
    let fail = Do::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes {
        failure: Some(boom("Kind")),
    });
    let cancel =
        Do::CancelWorkflowExecutionCommandAttributes(CancelWorkflowExecutionCommandAttributes {
            details: Some(text("why")),
        });
    let again = Do::ContinueAsNewWorkflowExecutionCommandAttributes(
        ContinueAsNewWorkflowExecutionCommandAttributes::default(),
    );
    let cases = [
        (complete(), Status::Completed, "WorkflowExecutionCompleted"),
        (fail, Status::Failed, "WorkflowExecutionFailed"),
        (cancel, Status::Canceled, "WorkflowExecutionCanceled"),
        (
            again,
            Status::ContinuedAsNew,
            "WorkflowExecutionContinuedAsNew",
        ),
    ];
    for (close, status, event) in cases {
        let mut world = World::open();
        let mut close = command(close);
        close.user_metadata = Some(UserMetadata {
            summary: Some(payload("why")),
            details: None,
        });
        let metadata = close.user_metadata.clone();
        let commands = vec![command(schedule("a")), command(timer("t", 1000)), close];
        world.done_with(commands).unwrap();
        assert_eq!(world.run.status(), status);
        assert!(world.tasks.is_empty(), "nothing is left to do");
        world.expect(
            4,
            &format!(
                "4 WorkflowTaskCompleted
                5 ActivityTaskScheduled a
                6 TimerStarted t
                7 {event}"
            ),
        );
        assert_eq!(world.history[6].user_metadata, metadata);
    }
}

#[test]
fn a_description_may_be_long() {
    let mut world = World::open();
    let mut close = command(complete());
    close.user_metadata = Some(UserMetadata {
        summary: Some(payload(&"x".repeat(500))),
        details: Some(payload(&"y".repeat(30_000))),
    });
    let described = close.user_metadata.clone();
    world.done_with(vec![close]).unwrap();
    assert_eq!(world.history.last().unwrap().user_metadata, described);
}

#[test]
fn what_closes_the_run_answers_its_query_too() {
    for close in [complete(), schedule("a")] {
        let mut world = World::open();
        world.done(vec![]).unwrap();
        world.signal("wake up");
        let query = BufferedQuery {
            id: "q".to_owned(),
            query: Arc::default(),
            delivered: false,
        };
        query::buffer(&mut world.run, &Limits::DEFAULT, query).unwrap();
        world.poll();
        let answer = WorkflowQueryResult {
            answer: Some(text("the answer")),
            ..Default::default()
        };
        let completed = world.respond(RespondWorkflowTaskCompletedRequest {
            commands: vec![command(close)],
            query_results: [("q".to_owned(), answer.clone())].into(),
            ..Default::default()
        });
        assert_eq!(
            completed.unwrap().answers,
            [("q".to_owned(), answer)].into()
        );
        assert!(world.run.queries.is_empty());
    }
}
