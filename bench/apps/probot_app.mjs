// A Probot app of the smallest kind: it reads the key line of a new pull request and forgets it.
// `probot run` loads it, verifies deliveries and answers.

const KEY_LINE = /^experiment_key: *([\w.-]+)/im;

export default (app) => {
  app.on("pull_request.opened", async (context) => {
    KEY_LINE.exec(context.payload.pull_request.body ?? "");
  });
};
