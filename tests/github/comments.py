"""Comments on issues and pull requests, and reactions to them."""

from tests.github.issues import MAX_BODY, Issues, since_of
from tests.github.model import Comment, Item, Repository
from tests.github.routes import Answer, Call, Failure, invalid, item_of, page_of, route
from tests.github.values import NO_INTEGRATION, REPO, Json, node_id, reactions_payload, stamp


class Comments(Issues):
    """Comments."""

    def add_comment(self, full_name: str, number: int, login: str, body: str) -> Json:
        """Add a comment as somebody and return it."""
        repo = self.repository(full_name)
        made = self._comment(repo, repo.issues[number], login, body, None)
        return self._comment_payload(repo, made)

    def _comment(
        self, repo: Repository, item: Item, login: str, body: str, app_id: int | None
    ) -> Comment:
        login = self.add_user(login, "Bot" if login.endswith("[bot]") else "User")["login"]
        now = self.clock()
        made = Comment(self.new_id(), item.number, login, body, now, now, app_id)
        repo.comments[made.id] = made
        item.updated_at = now
        return made

    def delete_comment(self, comment_id: int) -> None:
        for repo in self.repositories.values():
            if repo.comments.pop(comment_id, None) is not None:
                return
        raise KeyError(comment_id)

    def comments(self, full_name: str, number: int) -> list[Json]:
        repo = self.repository(full_name)
        found = [one for one in repo.comments.values() if one.number == number]
        return [self._comment_payload(repo, one) for one in found]

    def reactions(self, full_name: str, comment_id: int) -> list[str]:
        """Return the reactions to a comment in the order in which they were given."""
        given = self.repository(full_name).comments[comment_id].reactions
        return [str(one["content"]) for one in given]

    def _comment_payload(self, repo: Repository, comment: Comment) -> Json:
        api = f"{self.url}/repos/{repo.full_name}/issues"
        kind = "pull" if repo.issues[comment.number].is_pull else "issues"
        page = f"{self.web_url}/{repo.full_name}/{kind}/{comment.number}"
        here = f"{api}/comments/{comment.id}"
        return {
            "url": here,
            "html_url": f"{page}#issuecomment-{comment.id}",
            "issue_url": f"{api}/{comment.number}",
            "id": comment.id,
            "node_id": node_id("IssueComment", comment.id),
            "user": self._user(comment.author),
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "body": comment.body,
            "author_association": self._association(repo, comment.author),
            "reactions": reactions_payload(f"{here}/reactions", comment.reactions),
            "performed_via_github_app": self._via(comment.app_id),
        }


@route(f"GET {REPO}/issues/{{issue_number}}/comments", permission="item")
def list_comments(call: Call) -> Answer:
    item, since = item_of(call), since_of(call)
    found = [
        one
        for one in call.repo.comments.values()
        if one.number == item.number and int(one.updated_at) >= since
    ]
    return page_of(call, [call.github._comment_payload(call.repo, one) for one in found])


def _check_comment(text: str) -> None:
    if not text.strip():
        raise invalid("IssueComment", "body", "missing_field", "Body cannot be blank")
    if len(text) > MAX_BODY:
        message = f"body is too long (maximum is {MAX_BODY} characters)"
        raise invalid("IssueComment", "body", "custom", message)


@route(f"POST {REPO}/issues/{{issue_number}}/comments", permission="item", level="write")
def create_comment(call: Call) -> Answer:
    item, github = item_of(call), call.github
    if item.locked:
        raise Failure(403, "Unable to create comment because issue is locked.")
    _check_comment(call.body["body"])
    app_id = call.credential.app_id
    made = github._comment(call.repo, item, call.login, call.body["body"], app_id)
    payload = github._comment_payload(call.repo, made)
    issue = github._issue(call.repo, item)
    event = github._event(call, "issue_comment", "created", issue=issue, comment=payload)
    return Answer(201, payload, events=[event])


@route(f"GET {REPO}/issues/comments/{{comment_id}}", permission="item")
def get_comment(call: Call) -> Answer:
    return Answer(200, call.github._comment_payload(call.repo, call.comment))


def _own_comment(call: Call) -> Comment:
    comment = call.comment
    if comment.author.lower() != call.login.lower():
        is_app = call.credential.kind == "installation"
        message = NO_INTEGRATION if is_app else "Must have admin rights to Repository."
        raise Failure(403, message)
    return comment


@route(f"PATCH {REPO}/issues/comments/{{comment_id}}", permission="item", level="write")
def patch_comment(call: Call) -> Answer:
    comment = _own_comment(call)
    _check_comment(call.body["body"])
    comment.body, comment.updated_at = call.body["body"], call.now
    return Answer(200, call.github._comment_payload(call.repo, comment))


@route(f"DELETE {REPO}/issues/comments/{{comment_id}}", permission="item", level="write")
def delete_comment(call: Call) -> Answer:
    del call.repo.comments[_own_comment(call).id]
    return Answer(204)


@route(f"POST {REPO}/issues/comments/{{comment_id}}/reactions", permission="item", level="write")
def create_reaction(call: Call) -> Answer:
    comment, content = call.comment, call.body["content"]
    for one in comment.reactions:
        if one["user"]["login"] == call.login and one["content"] == content:
            return Answer(200, one)
    id = call.github.new_id()
    reaction = {
        "id": id,
        "node_id": node_id("Reaction", id),
        "user": call.github._user(call.login),
        "content": content,
        "created_at": stamp(call.now),
    }
    comment.reactions.append(reaction)
    return Answer(201, reaction)
