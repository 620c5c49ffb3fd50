"""Tests of the client: against the API at BATCHWELL_URL where it is set, and against servers that misbehave.

    BATCHWELL_URL=http://127.0.0.1:8000 python3 -m unittest discover -s clients/python
"""

import http.server
import json
import os
import threading
import unittest
import uuid

import batchwell
from batchwell import BatchwellError, Client

TASK = {"executors": [{"image": "alpine", "command": ["true"]}]}


class Played:
    """A server that gives these answers in turn: (status, headers, body), or None to break the connection off."""

    def __init__(self, *answers):
        self.seen = []
        left = list(answers)
        seen = self.seen

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                seen.append({"path": self.path, "headers": self.headers, "body": self.rfile.read(length)})
                planned = left.pop(0)
                if planned is None:
                    self.connection.close()
                    return
                status, headers, body = planned
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.server.shutdown()
        self.server.server_close()


def ok(value):
    return (200, {}, json.dumps(value).encode())


class Misbehaving(unittest.TestCase):
    def setUp(self):
        self.pause, batchwell._FIRST_PAUSE = batchwell._FIRST_PAUSE, 0.001

    def tearDown(self):
        batchwell._FIRST_PAUSE = self.pause

    def test_a_submission_without_an_answer_is_sent_again_with_the_same_key(self):
        with Played(None, (503, {"retry-after": "0"}, b"{}"), (502, {}, b"<html>"), ok({"id": "task-1-a"})) as played:
            self.assertEqual(Client(played.url).submit(TASK), "task-1-a")
            keys = [seen["headers"]["idempotency-key"] for seen in played.seen]
            self.assertEqual(len(keys), 4)
            self.assertEqual(len(set(keys)), 1)
            self.assertEqual(len({seen["body"] for seen in played.seen}), 1)

    def test_a_refusal_names_its_problems_and_is_not_sent_again(self):
        problems = [{"row": 7, "field": "sample", "expected": "a value"}]
        body = json.dumps({"status_code": 400, "message": "row 7: sample: expected a value", "problems": problems})
        with Played((400, {}, body.encode())) as played:
            with self.assertRaisesRegex(BatchwellError, "row 7: sample") as raised:
                Client(played.url).submit_scatter(TASK, [{}])
            self.assertEqual((raised.exception.status, raised.exception.problems), (400, problems))

    def test_a_service_that_stays_away_is_given_up_after_some_tries(self):
        with Played(None, None, None) as played:
            with self.assertRaisesRegex(BatchwellError, r"cannot be reached at .* \(3 attempts\)") as raised:
                Client(played.url, tries=3).service_info()
            self.assertIsNone(raised.exception.status)

    def test_a_redirect_is_not_followed_and_no_message_has_the_token(self):
        with Played((302, {"location": "http://127.0.0.1:1/"}, b""), (403, {}, b'{"message": "not secret-x"}')) as played:
            client = Client(played.url, token="secret-x")
            with self.assertRaisesRegex(BatchwellError, "redirects"):
                client.service_info()
            with self.assertRaisesRegex(BatchwellError, "^not …$"):
                client.service_info()
            self.assertEqual(played.seen[0]["headers"]["authorization"], "Bearer secret-x")

    def test_an_answer_that_is_not_json_is_not_from_batchwell(self):
        with Played((200, {}, b"<html>hello")) as played:
            with self.assertRaisesRegex(BatchwellError, "is not Batchwell"):
                Client(played.url).service_info()

    def test_events_go_on_after_a_broken_connection_from_the_last_id(self):
        def stream(*blocks):
            return (200, {"content-type": "text/event-stream"}, "".join(blocks).encode())

        first = 'event: task\ndata: {"task":"a","state":"RUNNING"}\n\nid: 7\n\nevent: task\ndata: {"task":"a","sta'
        second = ': still here\n\nevent: task\ndata: {"task":"a","state":"COMPLETE"}\n\nid: 8\n\n'
        with Played(stream(first), None, stream(second), (204, {}, b"")) as played:
            events = list(Client(played.url).events(task="a"))
            self.assertEqual([event["data"]["state"] for event in events], ["RUNNING", "COMPLETE"])
            ids = [seen["headers"].get("last-event-id") for seen in played.seen]
            self.assertEqual(ids, [None, "7", "7", "8"])

    def test_lists_read_all_pages(self):
        with Played(ok({"tasks": [{"id": "b"}], "next_page_token": "p 2"}), ok({"tasks": [{"id": "a"}]})) as played:
            tasks = Client(played.url).list(tags={"run": "4"}, state="RUNNING")
            self.assertEqual([task["id"] for task in tasks], ["b", "a"])
            self.assertIn("tag_key=run&tag_value=4&state=RUNNING", played.seen[0]["path"])
            self.assertIn("page_token=p+2", played.seen[1]["path"])

    def test_what_is_no_url_is_refused(self):
        with self.assertRaises(ValueError):
            Client("ftp://lab")


@unittest.skipUnless(os.environ.get("BATCHWELL_URL"), "BATCHWELL_URL names no API")
class Service(unittest.TestCase):
    """Where no worker runs: tasks end by being cancelled."""

    def setUp(self):
        self.client = Client(tries=1)

    def test_the_same_key_creates_a_task_once_and_another_request_with_it_is_refused(self):
        key = uuid.uuid4().hex
        one = self.client.submit(TASK, idempotency_key=key)
        self.assertEqual(self.client.submit(TASK, idempotency_key=key), one)
        self.assertNotEqual(self.client.submit(TASK), one)
        with self.assertRaises(BatchwellError) as raised:
            self.client.submit({**TASK, "name": "other"}, idempotency_key=key)
        self.assertEqual(raised.exception.status, 409)

    def test_a_scatter_is_submitted_read_followed_cancelled_and_waited_for(self):
        template = {"name": "echo {{word}}", "executors": [{"image": "alpine", "command": ["echo", "{{word}}"]}]}
        rows = [{"word": word} for word in ("one", "ünïcode", "{{three}}")]
        made = self.client.submit_scatter(template, rows, name="words", tags={"run": "py"}, ids=True)
        self.assertEqual(made["tasks"], 3)
        names = [task["name"] for task in self.client.scatter_tasks(made["id"], view="BASIC")]
        self.assertCountEqual(names, ["echo one", "echo ünïcode", "echo {{three}}"])
        with self.assertRaises(TimeoutError):
            self.client.wait_scatter(made["id"], timeout=0.3)

        states = {}
        cancelled = False
        for event in self.client.events(scatter=made["id"]):
            if event["event"] == "task":
                states[event["data"]["task"]] = event["data"]["state"]
            if not cancelled:
                self.client.cancel(made["id"])
                cancelled = True
        self.assertEqual(states, {id: "CANCELED" for id in made["task_ids"]})
        self.assertTrue(self.client.wait_scatter(made["id"], timeout=30)["ended"])
        self.assertEqual(self.client.failures(made["id"])["failed"], 0)
        with self.assertRaises(BatchwellError) as raised:
            self.client.retry(made["id"])
        self.assertEqual(raised.exception.status, 409)

    def test_a_task_that_ended_is_returned_whole_and_retried_as_a_new_one(self):
        id = self.client.submit({**TASK, "name": "alone"})
        with self.assertRaises(TimeoutError):
            self.client.wait(id, timeout=1)
        self.client.cancel(id)
        task = self.client.wait(id, timeout=30)
        self.assertEqual((task["state"], task["name"]), ("CANCELED", "alone"))
        again = self.client.retry(id)
        self.assertNotEqual(again, id)
        self.assertEqual(self.client.get(again)["name"], "alone")
        with self.assertRaises(BatchwellError) as raised:
            self.client.logs(again)
        self.assertEqual(raised.exception.status, 404)
        listed = [one["id"] for one in self.client.list(page_size=2)]
        self.assertLess(listed.index(again), listed.index(id))

    def test_every_problem_of_a_request_is_named(self):
        with self.assertRaises(BatchwellError) as raised:
            self.client.submit({"executors": [{"image": 5}]})
        self.assertEqual(raised.exception.status, 400)
        self.assertGreaterEqual(len(raised.exception.problems), 2)


if __name__ == "__main__":
    unittest.main()
