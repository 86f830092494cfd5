"""Every sentence of a comparison's report, in English and Japanese, with the same numbers in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

Language = Literal["en", "ja"]
Say = Callable[..., str]

SENTENCES: dict[str, tuple[str, str]] = {
    # the verdict
    "adopt": (
        "Adopt {best}{more}: better than {base} by {by} in {metric}, and no guardrail is broken.",
        "{best} を採用してください{more}。{metric} で {base} を {by} 上回り、守るべき条件もすべて満たしています。",
    ),
    "adopt_more": (" ({names} too)", "（{names} も採用できます）"),
    "keep": ("Keep {base}: {parts}.", "現行の {base} を使い続けてください。{parts}。"),
    "keep_fine": ("Keep {base}: {parts}.", "現行の {base} のままで構いません。{parts}。"),
    "keep_for_now": ("Keep {base} for now: {parts}.", "当面は現行の {base} を使い続けてください。{parts}。"),
    "part_equivalent": ("{names} made no difference that matters", "{names} に変えても、意味のある差はありません"),
    "part_reject": ("{names} rejected", "{names} は採用できません"),
    "part_undecided": ("{names} not decided yet", "{names} についてはまだ判断できません"),
    "part_separator": ("; ", "。"),
    "names": ("{first} and {last}", "{first}・{last}"),
    "name_separator": (", ", "・"),
    "comma": (", ", "、"),
    "to_be_found": (
        "To be found: {label}{share}; data.positive={other} for the other.",
        "見つける対象のクラス：{label}{share}。もう一方を対象にするには data.positive={other} と指定します。",
    ),
    "to_be_found_earlier": (
        "To be found: {label}{share}, the second label: these runs are older than the choice of the class. If {other} is the "
        "one to be found, compare again with data.positive={other}.",
        "見つける対象のクラス：{label}{share}。クラスを選べなかった旧版の学習のため、2番目のラベルを対象としています。{other} を対象に"
        "するには data.positive={other} を付けて比較し直してください。",
    ),
    "share_of_rows": (" ({share} of the rows)", "（全体の {share}）"),
    "precision_of": (
        "The average precision of these runs is that of {label}.",
        "これらの学習の average_precision は {label} についての値です。",
    ),
    "rule_adopt": (
        "{name}: adopt. Better by {mean} ({interval}), at least the margin of {margin}.",
        "{name}：採用。差は{mean}（{interval}）で、基準の{margin}以上です。",
    ),
    "rule_equivalent": (
        "{name}: equivalent. The difference of {mean} lies inside the margin of {margin} on both sides ({narrow}).",
        "{name}：同等。差{mean}（{narrow}）は、両側とも基準の{margin}に収まっています。",
    ),
    "rule_worse": (
        "{name}: reject. Worse than {base}: {mean} ({interval}).",
        "{name}：不採用。{base}より劣ります：{mean}（{interval}）。",
    ),
    "rule_guardrail-failures": (
        "{name}: reject. {failures} of its {runs} runs failed, of {base} {base_failures} of {base_runs}.",
        "{name}：不採用。{runs}回の学習のうち{failures}回が失敗しました（{base}は{base_runs}回中{base_failures}回）。",
    ),
    "rule_guardrail-latency": (
        "{name}: reject. It answers in {latency} times the time of {base}; your limit is {latency_limit}.",
        "{name}：不採用。応答時間が{base}の{latency}倍で、上限の{latency_limit}倍を超えています。",
    ),
    "rule_guardrail-fit-time": (
        "{name}: reject. It trains in {fit_time} times the time of {base}; your limit is {fit_limit}.",
        "{name}：不採用。学習時間が{base}の{fit_time}倍で、上限の{fit_limit}倍を超えています。",
    ),
    "rule_undecided": (
        "{name}: undecided. The difference of {mean} ({interval}) is neither clear nor clearly within the margin of "
        "{margin}; {outlook}.",
        "{name}：判断保留。差{mean}（{interval}）は、明らかとも、基準の{margin}以内とも言い切れません。{outlook}。",
    ),
    "outlook_pairs": (
        "{needed} pairs in all ({more} more) would probably settle it{time}",
        "全部で{needed}組（あと{more}組）あれば、おそらく判断できます{time}",
    ),
    "outlook_time": (", in about {minutes} min of computing", "（計算時間は約{minutes}分）"),
    "outlook_rows": (
        "more pairs of the same rows would probably not settle it, more rows may",
        "同じデータで組を増やしても、おそらく判断できません。データの行数を増やす必要があります",
    ),
    # what a reader must know
    "changed": (
        "Changed after the plan was written ({at}): {what}.",
        "計画を書いた後に変更されました（{at}）：{what}。",
    ),
    "used_before": (
        "{n} earlier comparisons were decided on some of these test rows: {looks}. Each further look makes a find by chance "
        "likelier.",
        "このテスト用データの一部は、過去の{n}件の比較ですでに判断に使われています：{looks}。使うたびに、偶然の差を拾いやすくなります。",
    ),
    "used_before_one": (
        "An earlier comparison was decided on some of these test rows: {looks}. Each further look makes a find by chance "
        "likelier.",
        "このテスト用データの一部は、過去の比較1件ですでに判断に使われています：{looks}。使うたびに、偶然の差を拾いやすくなります。",
    ),
    "look": ("{name} ({rows} of these rows, {share}; {arms})", "{name}（このうち{rows}行、{share}、{arms}）"),
    "look_unrecorded": (
        "{name} (of the same data file; an earlier version did not record its rows; {arms})",
        "{name}（同じデータファイル、旧版のため行の記録なし、{arms}）",
    ),
    "look_separator": ("; ", "、"),
    "same_arms": ("the same activations", "同じ活性化関数"),
    "other_arms": ("other activations", "別の活性化関数"),
    "missing": (
        "{n} planned runs are missing: give the same command again.",
        "計画した学習のうち{n}回がまだ終わっていません。同じコマンドをもう一度実行してください。",
    ),
    "missing_one": (
        "A planned run is missing: give the same command again.",
        "計画した学習のうち1回がまだ終わっていません。同じコマンドをもう一度実行してください。",
    ),
    "row_worth": (
        "One test row is worth {worth} margins: {metric} cannot change by less. Intervals are at least as wide as so few rows "
        "allow; more test rows, or a metric of probabilities such as log_loss, would say more.",
        "テスト用データの1行が、基準の{worth}倍に当たります（{metric} はこれより細かく変わりません）。区間は、この行数で言える幅より"
        "狭くならないようにしています。行数を増やすか、log_loss のような確率の指標を使うと、より詳しく分かります。",
    ),
    "limited_by_rows": (
        "The interval of {names} is that over the test rows: between seeds the runs differ too little to know more.",
        "{names} の区間はテスト用データの行についてのものです。シード間の差が小さすぎて、それ以上は分かりません。",
    ),
    "reference_wins": (
        "{name} reaches {score} in {metric}, every network here less: the choice of model matters more than that of the "
        "activation.",
        "{name}は{metric}で{score}に達し、ここで比べたどのネットワークよりも優れています。活性化関数よりも、モデルの選択の"
        "ほうが重要です。",
    ),
    "row_doubt": (
        "The verdict on {name} holds for these test rows. Other test rows could have said otherwise: drawing them anew "
        "gives {interval}, which includes 0.",
        "{name}についての判定は、このテスト用データに対するものです。別のテスト行なら結果が変わる可能性があります。行を引き直した区間は"
        "{interval}で、0を含みます。",
    ),
    "p_cannot_decide": (
        "With {pairs} pairs a p-value by sign flips is at least {smallest}: it cannot decide here. The intervals do.",
        "{pairs}組では、符号反転によるp値は{smallest}より小さくなりません。ここではp値では判断できないため、区間で判断しています。",
    ),
    "p_cannot_decide_one": (
        "One pair gives no p-value by sign flips that could decide. The intervals do.",
        "1組だけでは、符号反転によるp値では判断できません。区間で判断しています。",
    ),
    "failed_run": ("{arm}, seed {seed}: {status}. {reason}", "{arm}、シード{seed}：{status}。{reason}"),
    # headings
    "h_criteria": ("The three criteria", "三つの判断基準"),
    "h_decided": ("What was decided beforehand", "事前に決めたこと"),
    "h_differences": ("Differences per seed", "シードごとの差"),
    "h_curves": ("Learning curves", "学習曲線"),
    "h_statistics": ("Numbers for a statistician", "統計の専門家のための数値"),
    "h_metrics": ("Metrics", "評価指標"),
    "h_stability": ("Training stability", "学習の安定性"),
    "h_controls": ("Is it the learning, the shape or the scale?", "効いているのは学習か、形か、倍率か"),
    "h_learned": ("What was learned", "学習されたもの"),
    "h_cost": ("What it costs", "かかるコスト"),
    "h_reproduce": ("How to reproduce", "再現の方法"),
    "h_data": ("The data", "データ"),
    # texts
    "p_criteria": (
        "Intervals of differences hold for all {n} candidates together with {level} %, by {method}; positive is better. "
        "Latency (one row) and fit time are ratios to {base}, all arms interleaved on this machine, with 95 % intervals.",
        "差の区間は、{n}個の候補すべてについて同時に{level}％で成り立ちます（{method}）。正の値が改善です。応答時間（1行）と"
        "学習時間は{base}に対する比で、同じ機械で交互に測り、95％区間を付けています。",
    ),
    "p_criteria_one": (
        "The interval of the difference holds with {level} %, by {method}; positive is better. Latency (one row) and fit time "
        "are ratios to {base}, all arms interleaved on this machine, with 95 % intervals.",
        "差の区間の水準は{level}％です（{method}）。正の値が改善です。応答時間（1行）と学習時間は{base}に対する比で、同じ機械で交互に"
        "測り、95％区間を付けています。",
    ),
    "p_decided": (
        "On {at}: metric {metric}, margin {margin} ({rule}), error level {error}{strict}, seeds {seeds}, what varies between "
        "them: {vary}. {kept}",
        "{at}：評価指標 {metric}、基準 {margin}（{rule}）、誤り率 {error}{strict}、シード {seeds}、シードごとに変えるもの："
        "{vary}。{kept}",
    ),
    "strict": (", strict", "、厳格"),
    "kept": ("All of it was kept.", "すべてそのとおりに行われました。"),
    "not_kept": ("Not all of it was kept, see above.", "一部が変更されました（上記参照）。"),
    "rule_margin_user": ("set by you", "利用者の指定"),
    "rule_margin_error": ("1 % of the baseline's error", "基準モデルの誤差の1％"),
    "rule_margin_fixed": ("the usual 0.005", "標準の0.005"),
    "folds_each": ("{seeds}, {folds} folds each", "{seeds}（それぞれ{folds}分割）"),
    "split": ("split of the rows", "データの分け方"),
    "init": ("start weights", "重みの初期値"),
    "order": ("order of the batches", "データの順序"),
    "none": ("nothing", "なし"),
    "p_references": (
        "Other kinds of model on the same rows: {list}.",
        "同じデータでの他の種類のモデル：{list}。",
    ),
    "p_learned": (
        "gap: root mean square of the difference between the two blended functions over the layer's inputs; where it is "
        "small, alpha says little. moved: how far the whole curve moved from its start, in the same unit.",
        "gap：混ぜ合わせる二つの関数の差の二乗平均平方根（その層の入力についての値）。小さい場合、alphaの値にはあまり意味がありません。"
        "moved：曲線全体が初期値からどれだけ動いたか（同じ単位）。",
    ),
    "p_controls": (
        "Intervals of {level} %, each for itself. Above 0: the adaptive activation is better than its control.",
        "区間はそれぞれ単独で{level}％です。0より大きければ、適応型の活性化関数が対照より優れています。",
    ),
    "p_reproduce": (
        "The whole comparison is made again by the first command. A run's folder has its settings in config.yaml; "
        "the second command trains one run again.",
        "最初のコマンドで比較全体を再現できます。各学習の設定はそのフォルダーのconfig.yamlにあり、二番目のコマンドで1回分を再現できます。",
    ),
    "made_with": (
        "Made with {versions}; on {devices}; plan {plan}, code {code}.",
        "作成環境：{versions}。機器：{devices}。計画 {plan}、コード {code}。",
    ),
    "p_data": (
        "{name}: {train} rows for training, {val} for validation, {test} for the test. {fixed}",
        "{name}：学習用{train}行、検証用{val}行、テスト用{test}行。{fixed}",
    ),
    "fixed_test": ("All seeds share the test rows.", "テスト用データは全シードで共通です。"),
    "new_split": ("Every seed splits the rows anew.", "シードごとにデータを分け直しています。"),
    # captions of pictures
    "c_differences": (
        "A dot per pair of runs; in black the mean and its interval; in grey the margin.",
        "点は学習の組ごとの差、黒は平均とその区間、灰色は基準の範囲。",
    ),
    "c_curves": (
        "Validation metric by epoch: mean and range over the seeds.",
        "エポックごとの検証指標：シード間の平均と範囲。",
    ),
    "c_learned": (
        "Learned parameters by layer: mean and range over the seeds.",
        "層ごとの学習されたパラメーター：シード間の平均と範囲。",
    ),
    "h_robustness": ("With disturbed inputs", "入力が乱れたとき"),
    "h_value": ("What it is worth", "投資対効果"),
    "data_warning": ("The data: {detail}.", "データの注意：{kind}（列：{column}）。"),
    "finding_cells": ("odd cells", "読めない値がある"),
    "finding_drift": ("drift", "学習用とテスト用で分布が異なる"),
    "finding_duplicate": ("duplicates", "重複した行がある"),
    "finding_imbalance": ("imbalance", "クラスの偏りが大きい"),
    "finding_label_noise": ("label noise", "同じ入力に異なる正解がある"),
    "finding_leak": ("leak", "答えを漏らしている疑いのある列"),
    "finding_missing": ("missing", "欠損が多い"),
    "finding_rows": ("few rows", "行が少ない"),
    "finding_sum": ("sum", "合わせると正解になる列"),
    "finding_constant": ("constant", "値が一つしかない"),
    "finding_identifier": ("identifier", "識別子"),
    "finding_text": ("text", "自由記述"),
    "finding_empty": ("empty texts", "空の文"),
    "finding_encoding": ("broken letters", "文字化け"),
    "finding_letters": ("unknown letters", "学習用データにない文字"),
    "finding_truncated": ("texts that were cut", "長すぎて切られた文"),
    "finding_unreadable": ("unreadable pictures", "読めない画像"),
    "finding_near_duplicate": ("pictures nearly alike", "ほぼ同じ画像"),
    "finding_tiny_class": ("tiny class", "枚数の少ないクラス"),
    "finding_small": ("very small pictures", "極端に小さい画像"),
    "finding_modes": ("grey and colour mixed", "白黒とカラーの混在"),
    "card_title": ("Model card: {data}", "モデルカード：{data}"),
    "card_intro": (
        "{model} with the activation {activation}; the run is in {folder}. Of the arm to use by the verdict it is the run that is "
        "best on the validation rows.",
        "モデル{model}、活性化関数{activation}。学習結果は{folder}にあります。判定に従って使うべき活性化関数のうち、検証データで最もよい学習です。",
    ),
    "card_data": (
        "{name}: {train} rows for training, {val} for validation, {test} for the test.",
        "{name}：学習用{train}行、検証用{val}行、テスト用{test}行。",
    ),
    "card_fingerprint": ("fingerprint (SHA-256) {fingerprint}", "指紋（SHA-256） {fingerprint}"),
    "card_split": ("split seed {seed}; labels: {labels}", "分割のシード {seed}、ラベル：{labels}"),
    "card_metrics": (
        "On test rows. The interval is that of the mean over all runs of this activation.",
        "テスト用データでの値。区間は、この活性化関数の全学習の平均についてのものです。",
    ),
    "metric": ("metric", "評価指標"),
    "this_run": ("this run", "この学習"),
    "all_runs": ("all runs", "全学習"),
    "h_limits": ("Limits", "限界"),
    "h_versions": ("Made with", "作成環境"),
    "limit_population": (
        "It holds for cases like those of the data above. Other customers, machines or years need a check: make predict warns of "
        "columns that have drifted.",
        "上記のデータと似た事例について有効です。別の顧客、機械、年に使う場合は確認が必要です。make predictは分布の変わった列を警告します。",
    ),
    "limit_rows": (
        "The figures come from {test} test rows; small groups among them were not looked at one by one.",
        "数値は{test}行のテスト用データから得たもので、その中の小さなグループごとには調べていません。",
    ),
    "limit_causes": (
        "It predicts; it does not say what would happen if something were changed.",
        "予測するだけで、何かを変えた場合にどうなるかは示しません。",
    ),
    "limit_threshold": (
        "A row is called {label} from a probability of {threshold} on, chosen on the validation rows.",
        "{label} の確率が{threshold}以上のとき、{label} と判断します（しきい値は検証データで選ばれました）。",
    ),
    "card_code": ("code {code}", "コード {code}"),
    "h_glossary": ("Words used here", "用語"),
    "p_robustness": (
        "The trained networks, not trained again, on test rows that were disturbed: {kinds}. Better by: than {base} under the "
        "same disturbance, with {level} % intervals, each for itself.",
        "学習済みのネットワークを再学習せずに、乱したテスト行で評価しました：{kinds}。改善は、同じ乱れのもとでの{base}に対する差"
        "（区間はそれぞれ単独で{level}％）。",
    ),
    "noise": ("noise of so many standard deviations", "ノイズ（標準偏差の倍数）"),
    "missing_cells": ("a share of the cells unknown", "欠損（セルの割合）"),
    "covered": ("a share of the image covered", "隠蔽（画像の面積の割合）"),
    "masked": ("a share of the tokens of a text unknown", "伏せた語（トークンの割合）"),
    "disturbance": ("disturbance", "乱れ"),
    "undisturbed": ("none", "なし"),
    "kind_noise": ("noise {strength}", "ノイズ {strength}"),
    "kind_missing": ("missing {strength}", "欠損 {strength}"),
    "kind_covered": ("covered {strength}", "隠蔽 {strength}"),
    "kind_masked": ("masked {strength}", "伏せ {strength}"),
    "p_value": (
        "Per year, at {decisions} decisions{costs}, with a model trained {retrainings} times and {compute} per hour of computing, "
        "all in your currency. The interval is at the level of the verdict.{chance}",
        "年間{decisions}件の判断{costs}、年{retrainings}回の学習、計算1時間あたり{compute}とした場合の1年分（通貨は入力と同じ）。"
        "区間は判定と同じ水準です。{chance}",
    ),
    "p_chance": (
        " The chance is that a year brings more than it costs.",
        "確率は1年の利益が費用を上回る確率です。",
    ),
    "value_not_shown": (
        "Not shown to differ from 0: {names}. The verdict found no difference that matters, and an amount of money does not "
        "make it one.",
        "{names} の価値は、0と異なるとは示されていません。判定で意味のある差が示されなかったため、金額にしても同じです。",
    ),
    "not_shown": ("not shown to differ from 0: {value}", "0と異なるとは示されていません：{value}"),
    "value_withheld": (
        "{name}: no amount is given, because the answers of {n} pairs of runs cannot be read.",
        "{name}：{n}組の学習の出力が読めないため、金額は示しません。",
    ),
    "value_withheld_one": (
        "{name}: no amount is given, because the answers of a pair of runs cannot be read.",
        "{name}：1組の学習の出力が読めないため、金額は示しません。",
    ),
    "value_positive": (
        "A missed case is one of {label} that is not found. A failed run counts as a prediction that is always the same.",
        "見逃しとは {label} を見つけられないことです。失敗した学習は、常に同じ予測をするものとして数えます。",
    ),
    "value_costs_two": (
        " ({fp} per false alarm, {fn} per missed case)",
        "（誤警報1件{fp}、見逃し1件{fn}）",
    ),
    "value_costs_unit": (" ({unit} per unit of error each)", "（誤差1単位あたり{unit}）"),
    "yearly_value": ("value per year", "年間の価値"),
    "computing": ("of which computing", "うち計算費用"),
    "break_even": ("pays from (decisions a year)", "採算点（年間件数）"),
    "chance": ("chance that it pays", "採算が取れる確率"),
    "payback": ("pays back in (years)", "回収期間（年）"),
    "never": ("never", "なし"),
    "glossary": (
        "activation: the function between the layers of a network; an adaptive one has numbers of its own that are learned. | "
        "baseline: what you have now, against which the others are compared. | seed: the number that fixes the chance in a run; "
        "runs with the same seed differ in the activation alone and form a pair. | interval: the range in which the true difference "
        "lies with the stated certainty. | margin: the smallest difference that matters. | equivalent: shown to be no further apart "
        "than the margin. | guardrail: a condition whose breach rejects whatever the mean. | loss spike: a sudden jump of the error "
        "during training. | gradient spread: how unevenly the steps of the training are sized. | p50, p95: half, and 95 %, of the "
        "answers are quicker.",
        "活性化関数：ネットワークの層の間にある関数。適応型は、学習される数値を持つもの。 | 現行（ベースライン）：いま使っているもの。"
        "他はこれと比べます。 | シード：学習の偶然性を固定する番号。同じシードの学習は活性化関数だけが異なり、一組になります。 | "
        "区間：真の差が、示した確からしさで入る範囲。 | 基準（マージン）：意味があるとみなす最小の差。 | 同等：差が基準以内だと示せたこと。 | "
        "守るべき条件（ガードレール）：破れば、平均がよくても不採用となる条件。 | 損失の急上昇：学習中に誤差が突然跳ね上がること。 | "
        "勾配のばらつき：学習の一歩の大きさがどれだけ不揃いか。 | p50、p95：応答の半数、95％がこれより速い時間。",
    ),
    "c_over_time": (
        "Parameters and gap by epoch, a line per layer: mean over the seeds.",
        "エポックごとのパラメーターとgap（線は層ごと、シード間の平均）。",
    ),
    "c_curves_learned": (
        "The function of each layer over the inputs it sees: a line per seed, dashed where it started.",
        "各層の関数（その層が受け取る入力の範囲）：線はシードごと、破線は初期値。",
    ),
    "c_robustness": ("The metric by strength of the disturbance.", "乱れの強さと評価指標。"),
    "f_margin": ("margin: too small to matter", "基準：意味のない差の範囲"),
    "f_better": (
        "better than {base} by, in {metric} (a dot per pair; mean and interval in black)",
        "{base}に対する{metric}の改善（点は組ごと、黒は平均と区間）",
    ),
    "f_epoch": ("epoch", "エポック"),
    # columns and cells
    "activation": ("activation", "活性化関数"),
    "baseline_mark": ("{name} (baseline)", "{name}（現行）"),
    "verdict": ("verdict", "判定"),
    "v_adopt": ("adopt", "採用"),
    "v_equivalent": ("equivalent", "同等"),
    "v_reject": ("reject", "不採用"),
    "v_undecided": ("undecided", "判断保留"),
    "better_by": ("better by", "改善"),
    "failed_runs": ("failed runs", "失敗した学習"),
    "n_of_m": ("{n} of {m}", "{m}回中{n}回"),
    "loss_spikes": ("loss spikes", "損失の急上昇"),
    "nonfinite_steps": ("non-finite steps", "計算不能な更新"),
    "grad_norm_cv": ("gradient spread", "勾配のばらつき"),
    "grad_norm_max": ("largest gradient", "最大の勾配"),
    "epochs_to_90pct": ("epochs to 90 %", "90％到達エポック"),
    "spread": ("spread of the score", "成績のばらつき"),
    "latency": ("latency", "応答時間"),
    "fit_time": ("fit time", "学習時間"),
    "not_measured": ("not measured", "未測定"),
    "ratio": ("{ratio} ({low} to {high})", "{ratio}（{low}～{high}）"),
    "interval": ("{low} to {high}", "{low}～{high}"),
    "no_limit": ("no limit", "限界なし"),
    "with_interval": ("{mean} ({interval})", "{mean}（{interval}）"),
    "pair": ("pair", "組"),
    "pairs": ("pairs", "組数"),
    "mean_difference": ("mean difference", "差の平均"),
    "level_interval": ("{level} % interval", "{level}％区間"),
    "level_equivalence": ("{level} % for equivalence", "同等性の{level}％区間"),
    "method": ("method", "方法"),
    "other_rows": ("other test rows", "別のテスト行なら"),
    "on_validation": ("on validation", "検証データでは"),
    "p_values": ("p (sign flips, Holm)", "p値（符号反転、Holm）"),
    "better_in": ("better in", "勝った割合"),
    "effect_size": ("effect size", "効果量"),
    "validation": ("validation {metric}", "検証 {metric}"),
    "generalisation": ("train - test", "学習－テスト"),
    "failed": ("failed", "失敗"),
    "control": ("control", "対照"),
    "adaptive_better": ("adaptive is better by", "適応型の改善"),
    "control_base": ("control minus {base}", "対照－{base}"),
    "control_frozen": ("{of}, frozen at its start", "{of}を初期値で固定"),
    "control_learned": ("{of}, frozen at what was learned", "{of}を学習後の値で固定"),
    "control_scale": ("a learned scale only", "倍率だけを学習"),
    "layer": ("layer", "層"),
    "training_step": ("training step", "学習1ステップ"),
    "one_row": ("one row, p50 / p95", "1行の応答 p50 / p95"),
    "rows_per_second": ("rows per second", "毎秒の行数"),
    "cost_eager_": (
        "As PyTorch runs it. Ratios of times, below 1 is quicker.",
        "PyTorchの通常の実行。時間の比で、1より小さいほど速い。",
    ),
    "cost_compiled_": ("Compiled by torch.compile.", "torch.compileでコンパイルした場合。"),
    "cost_onnx_": ("Exported, in ONNX Runtime.", "ONNX Runtimeで実行した場合。"),
    "x_baseline": ("ratio to {base}", "{base}に対する比"),
}


def speaker(language: str, sentences: dict[str, tuple[str, str]] = SENTENCES) -> Say:
    """``say(key, **values)`` in one language; a key that ``sentences`` has not is one of a comparison's report.

    >>> speaker("ja")("n_of_m", n=1, m=8)
    '8回中1回'
    """
    place = {"en": 0, "ja": 1}[language]

    def say(key: str, /, **values: Any) -> str:
        return (sentences.get(key) or SENTENCES[key])[place].format(**values)

    return say
