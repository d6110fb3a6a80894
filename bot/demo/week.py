"""The week of the demo, told as data: one story per repository and one of the platform itself."""

from bot.demo.lines import Create, Forgery, Issue, Pull, Push, Rename, Star, Status, Tag, Transfer

END = "7 17:40"  # the moment that is now

# fmt: off

PLATFORM = (
    Create(
        "1 08:30", "checkout-flow-v2", "One page checkout", "growth",
        "Fewer steps lose fewer carts: two per cent more completed orders.",
    ),
    Create(
        "1 08:34", "free-shipping-banner", "Free shipping banner", "growth",
        "Seeing the threshold early lifts the average basket by five per cent.", "active",
    ),
    Create(
        "1 08:41", "onboarding-cards", "Onboarding in three cards", "mobile",
        "Three cards instead of nine screens: more people finish the first session.",
    ),
    Create(
        "1 08:47", "dark-mode-default", "Dark mode by default", "mobile",
        "Readers stay longer in the evening when the app starts dark.",
    ),
    Create(
        "1 10:15", "search-typo-tolerance", "Forgive typos in search", "search",
        "One edit of tolerance halves the searches without a result.", "active",
    ),
    Create(
        "2 09:20", "late-push-opt-in", "Ask for notifications later", "mobile",
        "Asked after the first order, twice as many people say yes.",
    ),
    Status("3 09:05", "search-typo-tolerance", "paused"),
    Status("3 11:30", "checkout-flow-v2", "active"),
    Status("3 16:10", "search-typo-tolerance", "active"),
    # Discovery had begun before anybody created the experiment: its links were waiting.
    Create(
        "4 09:10", "recs-two-tower", "Two tower recommendations", "discovery",
        "Embeddings of both sides find what people buy next.",
    ),
    Status("4 15:30", "onboarding-cards", "active"),
    Status("5 09:45", "onboarding-cards", "paused"),
    Status("5 14:20", "recs-two-tower", "active"),
    Status("6 10:00", "free-shipping-banner", "completed"),
    Status("6 16:30", "onboarding-cards", "active"),
    Status("7 09:15", "dark-mode-default", "archived"),
    Status("7 16:50", "search-typo-tolerance", "completed"),
)

TEMPLATE = """## What changes

{what}

<!-- Which experiments does this belong to? One line:
experiment_key: my-experiment
-->
{keys}

## Checked

- [x] with the flag on
- [x] with the flag off
"""

STOREFRONT = (
    Issue(
        "1 08:52", 398, "opened", by="priya", title="Track experiment: checkout-flow-v2",
        body="What we decide about the one page checkout, in one place.", label="experiment",
    ),
    Push("1 09:12", "one-page-checkout", "mona", ["Put address and payment on one page"]),
    Push("1 09:33", "one-page-checkout", "mona", ["Keep the old steps behind the flag"]),
    Pull(
        "1 09:41", 412, "opened", by="mona", branch="one-page-checkout", draft=True,
        title="One page checkout",
        body=TEMPLATE.format(
            what="Address and payment share a page.", keys="experiment_key: checkout-flow-v2"
        ),
    ),
    Push("1 11:26", "one-page-checkout", "mona",
         ["Validate the address while typing", "Test the flag both ways"], again="1 11:31"),
    Push("1 14:50", "shipping-banner", "lin", ["Show the free shipping banner above the fold"]),
    Pull(
        "1 15:02", 413, "opened", by="lin", branch="shipping-banner",
        title="Show the free shipping banner above the fold",
        body="It shows how much is missing.\n\n- **Experiment-Key:** `free-shipping-banner`",
        again="1 15:06",
    ),
    Push("1 15:20", "dependabot/npm/vite-7.1", "dependabot[bot]", ["Bump vite from 7.0 to 7.1"]),
    Pull(
        "1 15:21", 414, "opened", by="dependabot[bot]", branch="dependabot/npm/vite-7.1",
        title="Bump vite from 7.0 to 7.1", body="Release notes are in the changelog.",
    ),
    Pull("2 09:04", 414, "merged", by="lin"),
    Push("2 09:30", "one-page-checkout", "mona", ["Round the total as the old page did"]),
    Pull("2 10:10", 412, "ready_for_review"),
    Pull(  # the banner stands on this page too ...
        "2 10:24", 412, "edited",
        body=TEMPLATE.format(
            what="Address and payment share a page, the banner moves along.",
            keys="experiment_key: checkout-flow-v2, free-shipping-banner",
        ),
    ),
    Push("2 10:55", "shipping-banner", "lin", ["Say the amount in the shopper's currency"]),
    Pull("2 11:40", 413, "merged", by="priya"),
    Issue("2 13:00", 398, "labeled", by="priya", label="frontend"),
    Pull(  # ... until they decide otherwise
        "2 16:45", 412, "edited",
        body=TEMPLATE.format(
            what="Address and payment share a page.", keys="experiment_key: checkout-flow-v2"
        ),
    ),
    Push("3 09:18", "one-page-checkout", "mona", ["Keep the cart when the card is refused"]),
    Pull("3 10:52", 412, "merged", by="priya", again="3 10:58"),
    Tag("3 11:10", "v5.14.0", "mona"),
    Star("3 12:31", "sven"),
    Issue(
        "3 14:05", 421, "opened", by="tariq", title="Banner hides the search field on tablets",
        body="Only in portrait.\n\nexperiment_key: free-shipping-banner", label="bug",
    ),
    Push("4 09:50", "banner-on-tablets", "lin",
         ["Make room for the search field\n\nThe banner folds below 820 px.\n\n"
          "Experiment-Key: free-shipping-banner"]),
    Pull(
        "4 10:02", 422, "opened", by="lin", branch="banner-on-tablets",
        title="Fold the banner on tablets",
        body="Closes #421.\n\nExperiment Key: free-shipping-banner",
    ),
    Pull("4 11:15", 422, "merged", by="mona"),
    Issue("4 11:16", 421, "closed", by="mona"),
    Push("4 14:12", "express-pay", "tariq", ["Try the wallet buttons first"]),
    Pull(  # a typo: this key is nobody's
        "4 14:30", 424, "opened", by="tariq", branch="express-pay",
        title="Wallet buttons on top of the checkout", body="experiment_key: chekout-flow-v2",
    ),
    Forgery("5 03:12"),
    Pull("5 09:35", 424, "closed"),
    Pull("5 13:20", 424, "reopened"),
    Push("5 13:48", "express-pay", "tariq", ["Hide wallets that the browser does not have"]),
    Issue("5 15:02", 421, "reopened", by="tariq"),
    Push("5 15:40", "main", "lin",
         ["Fold the banner on small tablets too\n\nFixes #421\n\n"
          "Experiment-Key: free-shipping-banner"]),
    Issue("5 15:41", 421, "closed", by="lin"),
    Push("6 09:25", "remove-banner-flag", "lin", ["Remove the flag of the banner"]),
    Pull(
        "6 10:20", 427, "opened", by="lin", branch="remove-banner-flag",
        title="Keep the banner for everybody",
        body="The experiment is over.\n\n**experiment_key:** free-shipping-banner",
    ),
    Pull("6 11:05", 427, "merged", by="priya", again="6 11:09"),
    Tag("6 11:30", "v5.15.0", "lin"),
    Issue(
        "6 14:15", 430, "opened", by="priya", title="Read the first week of the one page checkout",
        body="1. `experiment_key: checkout-flow-v2`\n2. Compare with the weeks before",
        label="data",
    ),
    Push("7 10:12", "checkout-copy", "mona", ["Shorten the labels of the checkout"]),
    Pull(
        "7 10:20", 433, "opened", by="mona", branch="checkout-copy",
        title="Shorter labels in the checkout", body="experiment_key: checkout-flow-v2",
    ),
    Push("7 14:44", "checkout-copy", "mona", ["Keep the labels for screen readers"]),
    Push("7 17:22", "checkout-copy", "mona", ["Translate the labels", "Test the longest ones"]),
    Pull("7 17:34", 433, "merged", by="priya"),
)

MOBILE_APP = (
    Push("1 09:55", "three-cards", "octavia", ["Draw three cards instead of nine screens"]),
    Pull(
        "1 10:31", 206, "opened", by="octavia", branch="three-cards", draft=True,
        title="Onboarding in three cards", body="experiment_key: onboarding-cards",
    ),
    Push("1 13:37", "dark-default", "sven", ["Start dark when the system has no wish"]),
    Pull(
        "1 13:50", 207, "opened", by="sven", branch="dark-default", title="Dark mode by default",
        body="Behind a flag.\n\n* experiment_key: dark-mode-default",
    ),
    Push("1 16:20", "three-cards", "octavia", ["Let people swipe back"]),
    Issue(
        "2 09:26", 209, "opened", by="octavia", title="Track experiment: late-push-opt-in",
        body="Who is asked when, and what they said.",
    ),
    Push("2 11:02", "three-cards", "octavia", ["Skip the cards on a tablet", "Fix the last dot"]),
    Push("2 15:15", "dark-default", "sven", ["Darken the splash screen"]),
    Pull("2 15:50", 207, "edited", title="Start in dark mode", arrives="2 16:40"),
    Pull("2 16:05", 207, "edited", title="Dark mode by default, after sunset"),
    Push("3 10:30", "late-opt-in", "octavia", ["Ask after the first order"]),
    Pull(  # arrives after what came next
        "3 10:44", 211, "opened", by="octavia", branch="late-opt-in",
        title="Ask for notifications after the first order",
        body="`experiment_key: late-push-opt-in`", arrives="3 11:50",
    ),
    Push("3 11:21", "late-opt-in", "octavia", ["Ask only once"]),
    Issue("3 11:25", 209, "labeled", by="octavia", label="experiment"),
    Star("3 13:08", "priya"),
    Pull("4 09:30", 206, "ready_for_review"),
    Push("4 10:15", "three-cards", "octavia", ["Name the cards for screen readers"]),
    Pull("4 14:55", 206, "merged", by="sven", again="4 15:00"),
    Tag("4 15:10", "v8.2.0", "octavia"),
    Issue(
        "5 09:31", 214, "opened", by="tariq", title="App crashes on the third card",
        body="Android 12 only, since this morning.\n\nexperiment_key: onboarding-cards",
        label="crash",
    ),
    Push("5 10:20", "fix-third-card", "octavia",
         ["Load the third card's picture late\n\nExperiment-Key: onboarding-cards"]),
    Pull(
        "5 10:28", 215, "opened", by="octavia", branch="fix-third-card",
        title="Fix the crash on the third card",
        body="Fixes #214.\n\nExperiment-Key: onboarding-cards",
    ),
    Push("5 11:05", "fix-third-card", "octavia", ["Test it on Android 12"]),
    Pull("5 11:48", 215, "merged", by="sven"),
    Issue("5 11:49", 214, "closed", by="sven", again="5 11:55"),
    Issue("6 09:12", 214, "reopened", by="tariq"),
    Push("6 13:05", "main", "octavia",
         ["Free the picture when the card goes\n\nFixes #214\n\nExperiment-Key: onboarding-cards"]),
    Issue("6 13:06", 214, "closed", by="octavia"),
    Push("6 14:22", "late-opt-in", "octavia", ["Count who says later"]),
    Tag("6 15:45", "v8.2.1", "octavia"),
    Pull("7 09:10", 207, "closed", by="octavia"),
    Pull(
        "7 11:40", 211, "edited",
        body="`experiment_key: late-push-opt-in`\n\nAlso asked at the end of the cards:\n\n"
             "`experiment_key: onboarding-cards`",
    ),
    Push("7 16:32", "late-opt-in", "octavia", ["Ask at the end of the cards too"]),
)

RECS = (
    Push("2 09:48", "two-towers", "hana", ["Train a tower for shoppers and one for products"]),
    Pull(  # the experiment does not exist yet
        "2 10:15", 81, "opened", by="hana", branch="two-towers", draft=True,
        title="Two tower model", body="experiment_key: recs-two-tower",
    ),
    Issue(
        "2 10:30", 82, "opened", by="hana", title="Track experiment: recs-two-tower",
        body="Offline first, then one shopper in ten.",
    ),
    Push("2 16:02", "two-towers", "hana", ["Sample negatives from the same category"]),
    Push("3 09:40", "two-towers", "hana", ["Freeze the towers after a day"]),
    Pull("3 14:30", 81, "ready_for_review"),
    Pull("3 14:48", 81, "edited", title="Two tower model, offline", arrives="3 17:20"),
    Rename("3 17:05", "acme/recommendations"),
    Push("4 10:05", "two-towers", "hana", ["Answer within thirty milliseconds"]),
    Pull("4 10:40", 81, "edited", title="Two tower model behind a flag"),
    Issue("4 11:02", 82, "labeled", by="hana", label="experiment"),
    Pull("5 13:55", 81, "merged", by="priya", again="5 14:01"),
    Tag("5 14:10", "v0.9.0", "hana"),
    Push("5 16:12", "popular-when-cold", "hana", ["Show what is popular to new shoppers"]),
    Pull(
        "5 16:30", 85, "opened", by="hana", branch="popular-when-cold",
        title="Popular products for new shoppers",
        body="> experiment_key: quoted-keys-do-not-count\n\nexperiment_key: recs-two-tower",
    ),
    Push("6 10:48", "popular-when-cold", "hana", ["Leave out what is out of stock"]),
    Star("6 12:05", "lin"),
    Push("7 09:58", "popular-when-cold", "hana", ["Refresh the popular ones hourly"]),
    Pull("7 13:15", 85, "merged", by="priya"),
    Issue("7 15:20", 82, "labeled", by="priya", label="data"),
)

SEARCH_API = (
    Push("1 10:22", "one-edit", "kofi", ["Allow one edit in words of five letters"]),
    Pull(
        "1 10:50", 131, "opened", by="kofi", branch="one-edit", title="Forgive one typo per word",
        body=TEMPLATE.format(
            what="Words of five letters and more match with one edit.",
            keys="**Experiment-Key**: search-typo-tolerance",
        ),
    ),
    Push("1 14:05", "one-edit", "kofi", ["Rank exact words first"]),
    Pull("2 09:15", 131, "merged", by="hana"),
    Tag("2 09:40", "v3.2.0", "kofi"),
    Issue(
        "3 08:58", 134, "opened", by="tariq", title="Searches for brands find other brands",
        body="`boss` finds `bose`.\n\n- experiment_key: search-typo-tolerance", label="bug",
    ),
    Push("3 10:10", "keep-brands", "kofi",
         ["Never bend the name of a brand\n\nExperiment-Key: search-typo-tolerance"]),
    Pull(
        "3 10:20", 135, "opened", by="kofi", branch="keep-brands", title="Leave brands as typed",
        body="Fixes #134.\n\nexperiment_key: search-typo-tolerance", again="3 10:26",
    ),
    Push("3 13:22", "keep-brands", "kofi", ["Read the brands from the catalogue"]),
    Pull("3 15:58", 135, "merged", by="hana"),
    Issue("3 15:59", 134, "closed", by="hana"),
    Push("4 11:40", "two-edits", "kofi", ["Allow two edits in long words"]),
    Pull(
        "4 11:52", 137, "opened", by="kofi", branch="two-edits", title="Forgive two typos",
        body="experiment_key: search-typo-tolerance",
    ),
    Push("5 10:02", "two-edits", "kofi", ["Only from nine letters on"], arrives="5 10:31"),
    Pull("5 15:10", 137, "closed", by="hana"),  # two were too many
    Issue(
        "6 09:40", 139, "opened", by="kofi", title="Show which word was corrected",
        body="The shop has to say it.\n\nexperiment_key: search-typo-tolerance",
    ),
    Transfer("6 10:35", 139, "kofi", "acme/storefront", 428),
    Push("7 15:30", "main", "kofi",
         ["Forgive typos for everybody\n\nExperiment-Key: search-typo-tolerance"]),
    Tag("7 16:15", "v3.3.0", "kofi"),
)
# fmt: on

WEEK = {
    "acme/storefront": STOREFRONT,
    "acme/mobile-app": MOBILE_APP,
    "acme/recs": RECS,
    "acme/search-api": SEARCH_API,
}
