"""Every sentence of a roll-out's pages, in English and Japanese, with the same numbers in both."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    # shadow
    "shadow_title": ("Shadow run: {candidate} beside {baseline}", "シャドー運用：{baseline}と{candidate}の比較"),
    "shadow_adopt": (
        "{candidate} is better: {metric} {mean} ({interval}) on the same {rows} rows.",
        "{candidate}の方が優れています。同じ{rows}行で、{metric}の差は{mean}（{interval}）です。",
    ),
    "shadow_equivalent": (
        "No difference that matters: {metric} {mean} ({narrow}), inside {margin} on both sides, on the same {rows} rows.",
        "同等：意味のある差はありません。同じ{rows}行で、{metric}の差は{mean}（{narrow}）で、両側とも基準の{margin}以内です。",
    ),
    "shadow_reject": (
        "{candidate} is worse: {metric} {mean} ({interval}) on the same {rows} rows. Keep {baseline}.",
        "{candidate}の方が劣ります。同じ{rows}行で、{metric}の差は{mean}（{interval}）です。{baseline}を使い続けてください。",
    ),
    "shadow_undecided": (
        "Not decided: {metric} {mean} ({interval}) on {rows} rows is neither clear nor clearly within {margin}. "
        "Collect more rows with outcomes.",
        "判断保留：{rows}行での{metric}の差{mean}（{interval}）は、明らかとも、基準の{margin}以内とも言い切れません。結果の分かった行を増やしてください。",
    ),
    "shadow_none": (
        "No outcomes yet: {rows} rows were scored by both, and nothing can be said about which is better.",
        "実際の結果がまだありません。{rows}行を両方のモデルで予測しましたが、どちらが優れているかは言えません。",
    ),
    "shadow_apart": (
        "They decide differently on {n} of {rows} rows ({share}); these are listed for people to look at.",
        "{rows}行のうち{n}行（{share}）で判断が異なります。人が確認できるよう一覧にしました。",
    ),
    "shadow_apart_values": (
        "On average their values are {mean} apart, at most {largest}; the rows farthest apart are listed.",
        "値の差は平均{mean}、最大{largest}です。差の大きい行を一覧にしました。",
    ),
    "shadow_groups": (
        "Rows of one {group} count as one piece of evidence: {n} of them.",
        "同じ{group}の行はまとめて1件と数えます（全{n}件）。",
    ),
    "method_bonett-price": (
        "exact McNemar test; interval of Bonett and Price",
        "マクネマーの正確検定、ボネット・プライスの区間",
    ),
    "method_delong": ("DeLong", "デロング法"),
    "method_paired-t": ("paired t of the rows", "行の対応のあるt検定"),
    "method_clusters": ("sums within groups, t of the groups", "グループごとの和によるt検定"),
    "method_row-bootstrap": ("paired bootstrap of the rows", "行の対応のあるブートストラップ"),
    "method_welch-t": ("Welch's t", "ウェルチのt検定"),
    "method_newcombe": ("interval of Newcombe", "ニューカムの区間"),
    "method_confidence-sequence": ("confidence sequence, valid at every look", "信頼系列（いつ見ても有効）"),
    "h_disagreements": ("Rows to look at", "確認すべき行"),
    "p_disagreements": (
        "The first {n}; all of them, with all columns, are in disagreements.csv.",
        "先頭の{n}行です。全列を含む一覧は disagreements.csv にあります。",
    ),
    "h_numbers": ("Numbers", "数値"),
    "decisions": ("right decisions, by threshold", "正しい判断の割合（しきい値で判断）"),
    "h_decisions": ("Who is right", "どちらが正しいか"),
    "both": ("both right", "両方正しい"),
    "baseline_only": ("only {baseline}", "{baseline}のみ"),
    "candidate_only": ("only {candidate}", "{candidate}のみ"),
    "neither": ("neither", "両方誤り"),
    "sought": (
        "To be found: {label}, as the model was trained.",
        "見つける対象のクラス：{label}（モデルの学習時の設定）。",
    ),
    "better_positive": (
        "A difference is candidate minus baseline; positive is better, also where less of the metric is better.",
        "差は候補から現行を引いた値です。小さいほど良い指標では符号を逆にしているため、正の値は常に改善を意味します。",
    ),
    # A/B test: plan
    "plan_title": ("Plan of the test {name}", "テスト「{name}」の計画"),
    "plan_fixed": (
        "One look at the end: {rows} rows, {weeks} weeks at {per_week} rows a week{until}.",
        "終了時に1回だけ判定する場合：{rows}行、週{per_week}行なら{weeks}週間です{until}。",
    ),
    "plan_until": (
        "; decided at that number of rows or on {until}, whichever comes first",
        "。この行数に達した時点、または{until}の早い方で判定します",
    ),
    "plan_valid": (
        "Looking every day (method=always_valid): {weeks} weeks for the same power, at worst; less where the difference is larger.",
        "毎日確認する場合（method=always_valid）：同じ検出力を得るまで、長くても{weeks}週間です。差がより大きければ早く終わります。",
    ),
    "plan_valid_long": (
        "Looking every day (method=always_valid) would take more than {weeks} weeks.",
        "毎日確認する場合（method=always_valid）は{weeks}週間を超えます。",
    ),
    "plan_aim": (
        "It shows a difference of {smallest} with a chance of {power}; without a difference it errs in {error} of tests. "
        "{share} of the cases go to the candidate.",
        "差が{smallest}あれば{power}の確率で検出し、差がないときに誤る確率は{error}です。候補には全体の{share}を割り当てます。",
    ),
    "plan_from_right": (
        "From {source}: {mean} of the decisions are right today.",
        "{source}によると、現在の判断の{mean}が正解です。",
    ),
    "plan_from_error": (
        "From {source}: the absolute error of a row is {mean} on average, its standard deviation {deviation}.",
        "{source}によると、1行の絶対誤差は平均{mean}、標準偏差{deviation}です。",
    ),
    "plan_from_rate": ("The baseline's rate is {rate}, as you said.", "現行の割合は{rate}（入力値）です。"),
    "plan_from_deviation": (
        "The standard deviation of a row is {deviation}, as you said.",
        "1行の標準偏差は{deviation}（入力値）です。",
    ),
    "plan_gained": (
        "In the comparison {best} gained {gained} over {baseline} by this count.",
        "比較では、同じ数え方での{baseline}に対する{best}の改善は{gained}でした。",
    ),
    "plan_groups": (
        "Rows of one customer or machine are alike: if several rows share one (group=), count those, not rows.",
        "同じ顧客や機械の行は似ています。1つの顧客や機械に複数の行があるとき（group=）は、行数ではなく顧客や機械の数で計画してください。",
    ),
    "c_power": (
        "Power against duration: chance that a difference of {smallest} has been shown.",
        "期間と検出力：差{smallest}が示される確率。",
    ),
    "weeks": ("weeks", "週"),
    "power": ("power", "検出力"),
    "fixed": ("one look at the end", "終了時に1回"),
    "always_valid": ("a look every day", "毎日確認"),
    # A/B test: results
    "results_title": ("Result of the test {name}", "テスト「{name}」の結果"),
    "results_invalid": (
        "The test is not valid: {baseline} and {candidate} cases, but {share} should be the candidate's (p = {p}). Something "
        "decides who is logged: find it first. No difference is shown.",
        "テストは無効です。件数は現行{baseline}、候補{candidate}で、候補の割合は{share}のはずでした（p = {p}）。記録される対象に偏りがあります。先に原因を調べてください。差は表示しません。",
    ),
    "results_before": (
        "Too early: a fixed test is decided once, at {end}. No difference is shown before, so that nobody acts on one.",
        "まだ早すぎます。固定（method=fixed）のテストの判定は1回だけで、その時期は{end}です。途中の差を見て行動しないよう、それまでは差を表示しません。",
    ),
    "end_both": ("{rows} cases or on {until}", "{rows}件に達した時点、または{until}"),
    "end_rows": ("{rows} cases", "{rows}件に達した時点"),
    "end_until": ("{until}", "{until}"),
    "results_few": ("Too early: fewer than 20 cases in an arm.", "まだ早すぎます。20件に満たない群があります。"),
    "results_adopt": (
        "Adopt the candidate: {mean} ({interval}), and no guardrail is broken.",
        "候補を採用してください。差は{mean}（{interval}）で、守るべき条件の違反もありません。",
    ),
    "results_equivalent": (
        "No difference that matters: {mean} ({narrow}), inside {margin} on both sides.",
        "同等：意味のある差はありません。差は{mean}（{narrow}）で、両側とも基準の{margin}以内です。",
    ),
    "results_reject": (
        "Keep the baseline: the candidate is worse, {mean} ({interval}).",
        "現行を使い続けてください。候補の方が劣ります。差は{mean}（{interval}）です。",
    ),
    "results_undecided": (
        "Not decided: {mean} ({interval}).",
        "判断保留：差は{mean}（{interval}）で、まだ判断できません。",
    ),
    "results_guardrail": (
        "Keep the baseline: a guardrail is broken ({names}). The outcome itself: {mean} ({interval}).",
        "現行を使い続けてください。守るべき条件が破られています（{names}）。結果そのものの差は{mean}（{interval}）です。",
    ),
    "results_guardrail_open": (
        "Not decided: the outcome is better, {mean} ({interval}), but a guardrail may be broken or could not be checked ({names}).",
        "判断保留：結果は改善していますが（{mean}、{interval}）、守るべき条件の中に、破られている可能性があるもの、または確認できなかったものがあります（{names}）。",
    ),
    "results_arms": (
        "{baseline} cases were served by the baseline, {candidate} by the candidate ({share} wanted; p = {p}).",
        "現行が{baseline}件、候補が{candidate}件を担当しました（候補の予定割合{share}、p = {p}）。",
    ),
    "results_both": (
        "{n} cases are in both arms and were left out: find out how that can be.",
        "{n}件が両方の群にあり、除外しました。原因を調べてください。",
    ),
    "results_left_out": (
        "{n} rows without an arm or an outcome were left out.",
        "群または結果のない{n}行を除外しました。",
    ),
    "h_guardrails": ("Guardrails", "守るべき条件"),
    "h_segments": ("Segments", "区分別"),
    "p_segments": (
        "Corrected for their number: together they err in {error} of tests. What is not shown is not excluded.",
        "区分の数で補正しており、全体の誤り率は{error}です。差が示されないことは、差がないことを意味しません。",
    ),
    "broken": ("broken", "違反"),
    "open": ("not clear", "不明"),
    "unchecked": ("too few cases to check", "件数不足で確認できず"),
    "holds": ("holds", "満たす"),
    "shown": ("shown", "差あり"),
    "not_shown": ("not shown", "示されず"),
    "too_few": ("too few cases", "件数不足"),
    # monitor
    "monitor_title": ("Monitoring: batch {number}, {file}", "監視結果（バッチ{number}、{file}）"),
    "ok": ("ok", "正常"),
    "watch": ("watch", "要注意"),
    "retrain": ("retrain", "再学習"),
    "monitor_ok": (
        "OK: nothing in these {rows} rows differs from the training more than chance allows.",
        "正常：この{rows}行には、偶然では説明できないような学習時との違いは見られません。",
    ),
    "monitor_watch": (
        "WATCH: {n} things differ from the training. That is a reason to look at the source and to collect outcomes, not yet to retrain.",
        "要注意：学習時と異なる点が{n}件あります。データの出所を確認し、結果を集めてください。まだ再学習の理由にはなりません。",
    ),
    "monitor_watch_known": (
        "WATCH: {n} things differ from the training. Look at the source; a loss of quality that matters is not shown.",
        "要注意：学習時と異なる点が{n}件あります。データの出所を確認してください。問題となる品質の低下は示されていません。",
    ),
    "monitor_also": ("{n} things differ from the training.", "学習時と異なる点が{n}件あります。"),
    "monitor_quality": (
        "RETRAIN: {metric} is {now} ({interval}), at the test it was {before}: a loss of {loss}, at least the margin of {margin}.",
        "再学習：{metric}は{now}（{interval}）です。テスト時の{before}からの悪化は{loss}で、基準の{margin}以上です。",
    ),
    "monitor_age": (
        "RETRAIN: the model is {days} days old, and by the back-test retraining pays from {best} days on.",
        "再学習：このモデルは学習から{days}日経過しています。バックテストによると、{best}日以降は再学習した方が有利です。",
    ),
    "monitor_measured": (
        "{metric} is {now} ({interval}) on {rows} rows; at the test it was {before}. A loss of {margin} or more is not shown.",
        "{rows}行での{metric}は{now}（{interval}）、テスト時は{before}でした。{margin}以上の悪化は示されていません。",
    ),
    "monitor_no_labels": (
        "Outcomes are not known: whether the model is still right cannot be said from its inputs. Give them later with labels=.",
        "実際の結果がまだないため、モデルが今も正しいかどうかは判断できません（入力だけでは分かりません）。結果が分かったら labels= で渡してください。",
    ),
    "monitor_few_labels": (
        "Only {n} outcomes are known: at least {least} are needed to judge.",
        "結果が分かるのは{n}件だけです。判断には{least}件以上が必要です。",
    ),
    "monitor_undefined": (
        "{n} outcomes are known, and they cannot be judged: too few of a class, or fewer than ten groups.",
        "{n}件の結果が分かっていますが、件数の少ないクラスがあるか、グループが10未満のため、品質を判断できません。",
    ),
    "monitor_again": (
        "This batch was seen before: it keeps its number and is not counted twice.",
        "このバッチは以前に確認済みです。番号はそのままで、二重には数えません。",
    ),
    "monitor_power": (
        "So many rows show a shift of about {shift} standard deviations of a column (chance {power}); smaller ones can stay unseen.",
        "この行数では、列の値が標準偏差の約{shift}倍ずれていれば検出できます（確率{power}）。それより小さい変化は見逃すことがあります。",
    ),
    "monitor_power_none": (
        "So few rows show only gross changes.",
        "行数が少ないため、大きな変化しか検出できません。",
    ),
    "monitor_error": (
        "Without any change, {batches} batches give a false alarm with a chance of at most {false_alarms}, if rows are independent.",
        "変化がなければ、{batches}バッチのうちに誤警報が出る確率は{false_alarms}以下です（行が独立の場合）。",
    ),
    "ageing_none": (
        "The back-test shows no decay of {activation}: it gives no reason to retrain.",
        "バックテストでは{activation}の劣化は示されておらず、再学習の理由になりません。",
    ),
    "ageing_lost": (
        "By the back-test a model of {days} days has lost about {lost} of {metric}.",
        "バックテストによると、{days}日経過したモデルでは{metric}が約{lost}悪化しています。",
    ),
    "ageing_cost": (
        "Waiting another 30 days costs about {cost}; retraining pays from {best} days on ({range}).",
        "再学習をさらに30日待つと、約{cost}の費用がかかります。再学習した方が有利になるのは{best}日以降（{range}）です。",
    ),
    "ageing_unknown": (
        "The age of the model is not known: the run was not split by time, or the batch has no such column.",
        "モデルの経過日数は不明です。学習時に時間で分割していないか、バッチに日付の列がありません。",
    ),
    "note_outcomes": ("{known} of {rows} rows have an outcome.", "{rows}行のうち{known}行の結果が分かっています。"),
    "note_unreadable": (
        "{n} pictures cannot be read and are left out, as {example}.",
        "{n}枚の画像が読めないため除外しました（例：{example}）。",
    ),
    "note_groups": (
        "Rows of one {group} are alike: the loss of quality allows for it, the tests of columns do not, so that they raise false "
        "alarms more often than said.",
        "同じ{group}の行は似ています。品質の判定では考慮していますが、列の検定では考慮していないため、誤警報は上記より多くなります。",
    ),
    "h_alarms": ("What differs", "異なる点"),
    "h_quality": ("Quality", "品質"),
    "h_ageing": ("Age", "経過"),
    "h_columns": ("Columns", "列"),
    "h_sites": ("Where in the network the data is strange", "ネットワークのどこでデータが異質か"),
    "h_history": ("Batches so far", "これまでのバッチ"),
    "h_notes": ("How it was read", "読み込みについて"),
    "h_reproduce": ("To repeat this", "再現の方法"),
    "kind_distribution": ("distribution of values", "値の分布"),
    "kind_missing": ("missing cells", "欠損"),
    "kind_range": ("values beyond all of the training", "学習時の範囲を超える値"),
    "kind_scores": ("the model's answers", "モデルの出力"),
    "kind_measure": ("inputs", "入力"),
    "kind_site": ("inputs of a layer outside its range", "層の入力のうち範囲外の割合"),
    "kind_calibration": ("more or less came true than was expected", "予測と実際のずれ"),
    "column": ("column", "列"),
    "what": ("what", "内容"),
    "size": ("now", "今回"),
    "expected": ("training", "学習時"),
    "psi": ("PSI", "PSI"),
    "p": ("p, corrected", "p（補正後）"),
    "alarm": ("alarm", "警報"),
    "yes": ("yes", "あり"),
    "no": ("", ""),
    "p_columns": (
        "now: of a distribution the largest difference in the share of rows below any value (of categories, the share that "
        "moved); else a share. PSI below 0.1 is little, above 0.25 much.",
        "「今回」の値：分布では、ある値以下の行が占める割合を学習時と比べ、最も離れた所での差（カテゴリでは、構成比が移った分の合計）。その他は割合です。PSIは0.1未満なら小さな変化、0.25を超えると大きな変化です。",
    ),
    "p_sites": (
        "Share of each activation's inputs outside the range it was trained on (from the 0.1 to the 99.9 % quantile). The layers "
        "that leave it most are drawn.",
        "各活性化関数の入力のうち、学習時の範囲（0.1～99.9%分位点）の外にある割合です。最も外れた層を図に示します。",
    ),
    "c_sites": (
        "Inputs of activations: training (line) and this batch (bars)",
        "活性化関数の入力：学習時（線）と今回（棒）",
    ),
    "c_history": ("The metric, and the largest PSI, by batch", "バッチごとの指標と最大PSI"),
    "c_calibration": (
        "Calibration: what was expected and what came",
        "較正（キャリブレーション）：予測した確率と実際の割合",
    ),
    "calibration": (
        "{came} came, {expected} were expected (calibration error {ece}).",
        "実際の割合は{came}、予測した確率の平均は{expected}でした（較正誤差{ece}）。",
    ),
    "site": ("layer", "層"),
    "outside": ("outside now", "範囲外の割合（今回）"),
    "outside_before": ("outside at the test", "範囲外の割合（テスト時）"),
    "batch": ("batch", "バッチ"),
    "file": ("file", "ファイル"),
    "status": ("status", "判定"),
    "rows": ("rows", "行数"),
    "alarms": ("alarms", "警報数"),
    "largest_psi": ("largest PSI", "最大PSI"),
    "metric": ("metric", "指標"),
    "baseline": ("baseline", "現行"),
    "candidate": ("candidate", "候補"),
    "difference": ("difference", "差"),
    "method": ("method", "方法"),
    "interval": ("{low} to {high}", "{low}～{high}"),
    "no_limit": ("no limit", "限界なし"),
    "training": ("training", "学習時"),
    "this_batch": ("this batch", "今回"),
    "expected_axis": ("expected", "予測"),
    "came_axis": ("came", "実際"),
    "at_test": ("at the test", "テスト時"),
    "limit": ("limit", "限度"),
    "ratio": ("{ratio} times ({interval})", "{ratio}倍（{interval}）"),
    "days_from": ("{low} days or more", "{low}日以上"),
    "days_range": ("{low} to {high} days", "{low}～{high}日"),
    "days_any": ("any number of days", "日数は定まらない"),
}
