"""Names of files: noted once at every door, told where asked for, found by."""

from __future__ import annotations

import json
import re
import uuid

import grpc
import pytest

from eventindex.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    event_pb2,
    ingest_pb2_grpc,
    lookup_pb2,
    lookup_pb2_grpc,
)
from tests.conftest import execute, query
from tests.support.ingest import Publisher, json_event
from tests.support.processes import Service, wait_until

URL = "root://eos.example//store/{collection}/{dataset}/{run}/{name}"


@pytest.fixture(scope="module")
def services(postgres, _template, mosquitto):
    """Both services on a database, with a broker and a template of addresses."""
    name = f"test_{uuid.uuid4().hex}"
    execute(postgres.url(), f"CREATE DATABASE {name} TEMPLATE {_template}")
    url = postgres.url(name)
    ingest = Service("ingest_service", database_url=url, mqtt_url=mosquitto.url).start()
    index = Service("index_service", database_url=url, file_url=URL).start()
    yield ingest, index, url, mosquitto
    index.close()
    ingest.close()
    execute(postgres.url(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def stubs(services):
    """Clients of the three services."""
    ingest, index, _, _ = services
    with grpc.insecure_channel(ingest.address) as one, grpc.insecure_channel(index.address) as two:
        yield (
            ingest_pb2_grpc.IngestServiceStub(one),
            lookup_pb2_grpc.IndexServiceStub(two),
            admin_pb2_grpc.AdminServiceStub(one),
        )


def batch(run: int, fuid: str, events=(1, 2), dsid: int = 4, **info) -> event_pb2.EventBatch:
    """Events of one file, with what is known of it."""
    return event_pb2.EventBatch(
        files=[event_pb2.RawFile(fuid_raw=fuid, dsid_raw=dsid, **info)],
        run_numbers=[run],
        event_numbers=events,
        file_indexes=[1] * len(events),
    )


def looked_up(index, run: int, events=(1,), **asked) -> list[event_pb2.RawFile]:
    """The files of events, by default with their names."""
    asked = {"with_file_names": True} | asked
    request = lookup_pb2.LookupRequest(run_numbers=[run], event_numbers=events, **asked)
    return list(index.Lookup(request, timeout=30).files)


def test_a_name_is_noted_with_the_events_and_told_where_it_is_asked_for(stubs):
    """A batch's name, size and checksum come back with an address; without asking nothing does."""
    ingest, index, _ = stubs
    fuid = str(uuid.uuid4())
    info = {"name": "run11/data 1.root", "bytes": 2**40, "checksum": "adler32:0a1b2c3d"}
    (ack,) = ingest.Ingest(iter([batch(11, fuid, **info)]), timeout=30)
    assert (ack.inserted, ack.refused_files) == (2, 0)
    (file,) = looked_up(index, 11)
    assert (file.name, file.bytes, file.checksum) == tuple(info.values())
    assert file.url == "root://eos.example//store/raw/dsid-4/11/run11/data 1.root"
    (plain,) = looked_up(index, 11, with_file_names=False)
    assert (plain.fuid_raw, plain.name, plain.bytes, plain.url) == (fuid, "", 0, "")
    event = index.GetEvent(
        lookup_pb2.GetEventRequest(run_number=11, event_number=2, with_file_names=True)
    )
    assert event.file == file
    (listed,) = index.ListFiles(
        lookup_pb2.ListFilesRequest(run_number=11, with_file_names=True)
    ).files
    assert listed.file == file
    selection = lookup_pb2.EventSelection(run_first=11, run_last=11)
    request = lookup_pb2.ListEventsRequest(selection=selection, with_file_names=True)
    (events,) = index.ListEvents(request)
    assert list(events.files) == [file]


def test_an_address_names_the_collection_of_the_file(stubs):
    """The files of two collections of a run have addresses in the directory of each."""
    ingest, index, admin = stubs
    admin.CreateCollection(admin_pb2.CreateCollectionRequest(name="aod.v2"))
    fuid = str(uuid.uuid4())
    offered = batch(16, fuid, dsid=44, name="a.root")
    offered.collection = "aod.v2"
    (ack,) = ingest.Ingest(iter([offered]), timeout=30)
    assert ack.inserted == 2
    address = "root://eos.example//store/aod.v2/dsid-44/16/a.root"
    (file,) = looked_up(index, 16, collection="aod.v2")
    assert file.url == address
    request = lookup_pb2.GetFileRequest(fuid_raw=fuid, with_file_names=True)
    assert [row.file.url for row in index.GetFile(request).runs] == [address]


def test_named_files_on_a_stream_are_in_each_answer(stubs):
    """With names each answer has a list of its own; the indexes point into it."""
    ingest, index, _ = stubs
    fuids = [str(uuid.uuid4()) for _ in range(3)]
    batches = (batch(17, f, [n], name=f"{n}.root") for n, f in enumerate(fuids))
    assert sum(ack.inserted for ack in ingest.Ingest(batches, timeout=30)) == 3
    requests = [
        lookup_pb2.LookupRequest(
            run_numbers=[17], event_numbers=events, with_file_names=True, files_of_stream=True
        )
        for events in ([0, 1], [1, 2], [2, 0])
    ]
    found = []
    for answer in index.LookupStream(iter(requests), timeout=30):
        assert answer.first_file_index == 0
        found.append([answer.files[place - 1].name for place in answer.file_indexes])
    assert found == [["0.root", "1.root"], ["1.root", "2.root"], ["2.root", "0.root"]]


def test_another_name_is_refused_and_counted_and_what_was_missing_is_filled_in(services, stubs):
    """The first name stays, and nothing is taken of an offer that contradicts it."""
    service = services[0]
    ingest, index, _ = stubs
    fuid = str(uuid.uuid4())
    before = service.metric("eventindex_ingest_refused_files_total")
    batches = [
        batch(12, fuid, events=[1], name="first.root"),
        batch(12, fuid, events=[2], name="second.root"),
        batch(12, fuid, events=[3], name="first.root", bytes=77),
        batch(12, fuid, events=[4], bytes=78, checksum="md5:11"),
        batch(12, fuid, events=[5], bytes=77, checksum="md5:00"),
    ]
    acks = [ack for one in batches for ack in ingest.Ingest(iter([one]), timeout=30)]
    assert [ack.refused_files for ack in acks] == [0, 1, 0, 1, 0]
    assert [ack.inserted for ack in acks] == [1] * 5
    (file,) = looked_up(index, 12)
    assert (file.name, file.bytes, file.checksum) == ("first.root", 77, "md5:00")
    assert service.metric("eventindex_ingest_refused_files_total") == before + 2


def test_json_events_and_batches_over_mqtt_name_their_files(services, stubs):
    """A writer that publishes names its files by the keys of its events, or in its batches."""
    _, _, url, broker = services
    fuid = str(uuid.uuid4())
    event = json.loads(json_event(13, 1, fuid=fuid))
    named = event | {"file_name": "j.root", "file_bytes": 5, "file_checksum": "crc32:1"}
    bad = event | {"event_number": 2, "file_name": "../j.root"}
    odd = event | {"event_number": 3, "file_size": 5}
    publisher = Publisher(broker.port)
    publisher.publish("eventindex/v1/json/daq", json.dumps([named, bad, odd]))
    publisher.publish(
        "eventindex/v1/batch/daq",
        batch(13, str(uuid.uuid4()), events=[9], name="c.root").SerializeToString(),
    )
    publisher.flush()
    publisher.close()
    details = "SELECT detail FROM dead_letter ORDER BY dead_letter_id"
    wait_until(lambda: len(query(url, details)) == 2)
    wait_until(lambda: query(url, "SELECT count(*) FROM events WHERE run_number = 13") == [(2,)])
    texts = [text for (text,) in query(url, details)]
    assert texts == [
        "file_name is '../j.root', with a part '..'",
        "'file_size' is not a field of an event",
    ]
    assert {file.name for file in looked_up(stubs[1], 13, [1, 9])} == {"j.root", "c.root"}


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"name": "a\nb"}, r"files[0].name is 'a\nb', with a char"),
        ({"name": "x" * 1025}, "files[0].name is 'xxx"),
        ({"checksum": "two words"}, "files[0].checksum is 'two words'"),
        ({"bytes": 2**63}, "files[0].bytes is 9223372036854775808, not from 0"),
    ],
)
def test_a_value_that_cannot_be_is_named(stubs, info, text):
    """A batch with a name, size or checksum that cannot be ends its stream, naming it."""
    with pytest.raises(grpc.RpcError) as error:
        list(stubs[0].Ingest(iter([batch(14, str(uuid.uuid4()), **info)]), timeout=30))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert text in error.value.details()


def test_an_admin_notes_and_replaces_and_it_is_recorded(services, stubs):
    """Replacing is for those who say so, leaves who did and what was there, and shows at once."""
    ingest, index, admin = stubs
    fuid = str(uuid.uuid4())
    list(ingest.Ingest(iter([batch(15, fuid, name="old.root", bytes=1)]), timeout=30))
    assert looked_up(index, 15)[0].name == "old.root"
    other = [event_pb2.RawFile(fuid_raw=fuid, name="new.root", checksum="md5:1")]
    answer = admin.NoteFiles(admin_pb2.NoteFilesRequest(files=other))
    assert (answer.noted, answer.replaced) == (0, 0)
    assert [(one.index, one.noted.name) for one in answer.refused] == [(0, "old.root")]
    request = admin_pb2.NoteFilesRequest(files=other, replace=True)
    with pytest.raises(grpc.RpcError, match="replaced_by"):
        admin.NoteFiles(request)
    request.replaced_by = "ann"
    assert admin.NoteFiles(request).replaced == 1
    assert admin.NoteFiles(request).unchanged == 1
    (file,) = looked_up(index, 15)
    assert (file.name, file.bytes, file.checksum) == ("new.root", 1, "md5:1")
    kept = "SELECT name, bytes, replaced_by FROM file_info_replaced WHERE fuid = %s"
    assert query(services[2], kept, (fuid,)) == [("old.root", 1, "ann")]


def test_files_are_found_by_their_names(stubs):
    """A whole name finds one file, a pattern lists those that match; % and _ mean themselves."""
    ingest, index, admin = stubs
    fuids = {name: str(uuid.uuid4()) for name in ("run4021.a", "run4021_b", "run4021xb", "x%y")}
    files = [event_pb2.RawFile(fuid_raw=fuid, name=name) for name, fuid in fuids.items()]
    assert admin.NoteFiles(admin_pb2.NoteFilesRequest(files=files)).noted == 4
    list(
        ingest.Ingest((batch(4021, fuid, [n]) for n, fuid in enumerate(fuids.values())), timeout=9)
    )

    def names(pattern: str) -> list[str]:
        request = lookup_pb2.ListFilesRequest(name_pattern=pattern, with_file_names=True)
        return sorted(row.file.name for row in index.ListFiles(request).files)

    assert names("run4021*") == ["run4021.a", "run4021_b", "run4021xb"]
    assert names("run4021_b") == ["run4021_b"]
    assert names("run4021?b") == ["run4021_b", "run4021xb"]
    assert names("x%y") == ["x%y"]
    assert names("*%*") == ["x%y"]
    found = index.GetFile(lookup_pb2.GetFileRequest(name="run4021_b", with_file_names=True))
    assert [row.file.fuid_raw for row in found.runs] == [fuids["run4021_b"]]
    with pytest.raises(grpc.RpcError, match="is not the name of a file"):
        index.GetFile(lookup_pb2.GetFileRequest(name="run4021"))
    again = event_pb2.RawFile(fuid_raw=str(uuid.uuid4()), name="x%y")
    assert admin.NoteFiles(admin_pb2.NoteFilesRequest(files=[again])).noted == 1
    with pytest.raises(grpc.RpcError, match="the name of several files"):
        index.GetFile(lookup_pb2.GetFileRequest(name="x%y"))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("root://host//{lfn}", "{lfn} is none of {name}, {fuid}"),
        ("root://host//{name", "expected '}'"),
        ("root://host//store", "all files would have one address"),
        ("root://host//{name!r}", "{name!r} is none of"),
    ],
)
def test_a_template_that_makes_no_addresses_ends_the_start(database_url, template, text):
    """A wrong EVENTINDEX_FILE_URL is told when the service starts, with what is wrong."""
    service = Service("index_service", database_url=database_url, file_url=template)
    with pytest.raises(RuntimeError, match=re.escape(text)):
        service.start()
    service.close()
