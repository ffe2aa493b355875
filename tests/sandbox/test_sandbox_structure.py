"""Checks mutations of boards, groups and columns."""


def test_a_column_id_is_never_reusable(everything):
    make = 'mutation($i:String){create_column(board_id:7810000303,title:"T",column_type:text,id:$i){id}}'
    assert everything.data(make, i="sync_id")["create_column"]["id"] == "sync_id"
    assert everything.code(make, i="sync_id") == "InvalidArgumentException"
    everything.data('mutation{delete_column(board_id:7810000303,column_id:"sync_id"){id}}')
    assert everything.code(make, i="sync_id") == "InvalidArgumentException"
    for wrong in ("Big", "1st", "x" * 21, "a-b"):
        assert everything.code(make, i=wrong) == "InvalidArgumentException"


def test_new_boards_bring_task_1_unless_empty(start):
    client = start()
    make = 'mutation($e:Boolean){create_board(board_name:"B",board_kind:public,empty:$e){items_page{items{name}}}}'
    assert client.data(make)["create_board"]["items_page"]["items"] == [{"name": "Task 1"}]
    assert client.data(make, e=True)["create_board"]["items_page"]["items"] == []


def test_the_last_group_stays(start):
    client = start()
    board = client.admin("boards/create", name="One group")["id"]
    text = 'mutation($b:ID!){delete_group(board_id:$b,group_id:"topics"){id}}'
    assert client.code(text, b=board) == "DeleteLastGroupException"
