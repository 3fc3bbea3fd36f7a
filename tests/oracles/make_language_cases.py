"""Writes tests/data/language_cases_own.jsonl: texts whose share of a language is known because they are
put together here from parts of known language.

Run from the repository root: python3 tests/oracles/make_language_cases.py

A part is (language, text); language None is what counts no words (formulas, code, tags, addresses). Words
of a part are runs of letters between spaces and marks; for Chinese and Japanese both units count: characters,
and 1.3 to 2.1 characters a dictionary word. The range is what these give, with 0.04 to both sides (one word
in 25 may be judged otherwise), or 0.95 and more for a text of one language.
"""

import itertools
import json
import pathlib
import unicodedata

PARTS = {
    "en1": ("en", "My grandmother keeps the old letters in a wooden box under her bed."),
    "en2": ("en", "If we shift the index by two, every factor except the last one cancels."),
    "en3": ("en", "Nobody expected the bridge to close, yet it stayed shut for weeks."),
    "es1": ("es", "Mi abuela guarda las cartas viejas en una caja de madera debajo de la cama."),
    "es2": ("es", "Si desplazamos el índice en dos, se cancelan todos los factores menos el final."),
    "es3": ("es", "Nadie esperaba que cerrasen el puente, pero siguió cortado durante semanas."),
    "fr1": ("fr", "Ma grand-mère garde les vieilles lettres dans une boîte en bois sous son lit."),
    "fr2": ("fr", "Si l'on décale l'indice de deux, tous les facteurs sauf le dernier se simplifient."),
    "fr3": ("fr", "Personne ne s'attendait à la fermeture du pont, qui est resté coupé des semaines."),
    "pt1": ("pt", "A minha avó guarda as cartas velhas numa caixa de madeira debaixo da cama."),
    "pt2": ("pt", "Se deslocarmos o índice em dois, todos os fatores menos o último se cancelam."),
    "pt3": ("pt", "Ninguém esperava que a ponte fechasse, mas ela ficou interditada por semanas."),
    "de1": ("de", "Meine Großmutter bewahrt die alten Briefe in einer Holzkiste unter dem Bett auf."),
    "de2": ("de", "Verschieben wir den Index um zwei, so kürzen sich alle Faktoren bis auf den hintersten."),
    "de3": ("de", "Keiner hatte mit der Sperrung der Brücke gerechnet, doch sie blieb wochenlang zu."),
    "ru1": ("ru", "Моя бабушка хранит старые письма в деревянной коробке под кроватью."),
    "ru2": ("ru", "Если сдвинуть индекс на два, сократятся все множители, кроме последнего."),
    "ru3": ("ru", "Никто не ожидал закрытия моста, однако он стоял закрытым неделями."),
    "ar1": ("ar", "تحتفظ جدتي بالرسائل القديمة في صندوق خشبي تحت سريرها."),
    "ar2": ("ar", "إذا أزحنا الدليل بمقدار اثنين فإن كل العوامل تختصر ما عدا العامل الأخير."),
    "hi1": ("hi", "मेरी दादी पुराने पत्र पलंग के नीचे लकड़ी के एक डिब्बे में रखती हैं।"),
    "hi2": ("hi", "यदि हम सूचकांक को दो से खिसका दें तो अंतिम को छोड़कर सभी गुणनखंड कट जाते हैं।"),
    "ko1": ("ko", "우리 할머니는 오래된 편지를 침대 밑 나무 상자에 보관하신다."),
    "ko2": ("ko", "지수를 둘만큼 옮기면 마지막 인수를 제외한 모든 인수가 약분된다."),
    "ja1": ("ja", "祖母は古い手紙をベッドの下の木箱にしまっています。"),
    "ja2": ("ja", "添字を二つずらすと、最後の因数以外はすべて打ち消し合う。"),
    "zh1": ("zh", "我奶奶把旧信放在床底下的一个木盒子里。"),
    "zh2": ("zh", "如果把下标平移两位,除了末尾那个因子以外都会约掉。"),
    "tw1": ("zh", "我奶奶把舊信放在床底下的一個木盒子裡。"),
    "it1": ("it", "Mia nonna conserva le vecchie lettere in una scatola di legno sotto il letto."),
    "nl1": ("nl", "Mijn grootmoeder bewaart de oude brieven in een houten kist onder het bed."),
    "uk1": ("other", "Моя бабуся зберігає старі листи в дерев'яній скриньці під ліжком."),
    "fa1": ("other", "مادربزرگم نامه‌های قدیمی را در یک جعبه چوبی زیر تخت نگه می‌دارد."),
    "pl1": ("other", "Moja babcia trzyma stare listy w drewnianym pudełku pod łóżkiem."),
    "sv1": ("other", "Min mormor förvarar de gamla breven i en trälåda under sängen."),
    "tr1": ("other", "Büyükannem eski mektupları yatağının altındaki tahta kutuda saklıyor."),
    "el1": ("other", "Η γιαγιά μου φυλάει τα παλιά γράμματα σε ένα ξύλινο κουτί."),
}

# id-less cases: (target, parts or texts, joined by, note); a text is (language or None, text).
CASES = [
    *[(code, [a, b], " ", "one language") for code, a, b in [
        ("en", "en1", "en2"), ("es", "es1", "es2"), ("fr", "fr1", "fr2"), ("pt", "pt1", "pt2"), ("de", "de1", "de2"),
        ("ru", "ru1", "ru2"), ("ar", "ar1", "ar2"), ("hi", "hi1", "hi2"), ("ko", "ko1", "ko2"), ("ja", "ja1", "ja2"),
        ("zh", "zh1", "zh2"), ("zh", "tw1", "tw1")]],
    # close languages
    ("es", ["pt3"], " ", "pt for es"), ("pt", ["es3"], " ", "es for pt"), ("es", ["it1"], " ", "it for es"),
    ("de", ["nl1"], " ", "nl for de"), ("en", ["nl1"], " ", "nl for en"), ("fr", ["it1"], " ", "it for fr"),
    ("ru", ["uk1"], " ", "uk for ru"), ("ar", ["fa1"], " ", "fa for ar"), ("en", ["pl1"], " ", "pl for en"),
    ("de", ["sv1"], " ", "sv for de"), ("en", ["tr1"], " ", "tr for en"), ("en", ["el1"], " ", "el for en"),
    ("zh", ["ja1"], " ", "ja for zh"), ("ja", ["zh1"], " ", "zh for ja"), ("ja", ["tw1"], " ", "traditional zh for ja"),
    # switches between sentences
    ("es", ["es1", "pt2", "es3"], " ", "es and pt"), ("pt", ["pt1", "es2"], "\n", "pt and es"),
    ("en", ["en1", "de2", "en3", "fr3"], " ", "en, de, fr"), ("fr", ["en1", "fr2"], " ", "en and fr"),
    ("de", ["de1", "en2", "de3"], "\n", "de and en"), ("de", ["nl1", "de2"], " ", "nl and de"),
    ("it", ["it1", "es1"], " ", "it and es"), ("ru", ["ru1", "uk1"], " ", "ru and uk"),
    ("ru", ["ru1", "en1", "ru3"], " ", "ru and en"), ("ar", ["ar1", "en2"], "\n", "ar and en"),
    ("hi", ["hi1", "en3", "hi2"], " ", "hi and en"), ("ko", ["ko1", "ja1"], " ", "ko and ja"),
    ("ja", ["ja1", "zh2"], "", "ja and zh without a space"), ("zh", ["zh1", "en1"], "", "zh and en"),
    ("zh", ["ja2", "zh1", "zh2"], "", "ja and zh"), ("en", ["zh2", "en2", "ru3"], "\n", "zh, en, ru"),
    # switches inside a sentence
    ("en", [("en", "Therefore the number of apples is"), ("es", "igual a la suma de los precios"), ("en", "that we found above.")], " ", "inside a sentence"),
    ("de", [("de", "Daraus folgt, dass die Seitenlänge"), ("en", "must be smaller than the radius"), ("de", "und damit höchstens vier ist.")], " ", "inside a sentence"),
    ("zh", [("zh", "我们知道"), ("en", "the remainder"), ("zh", "等于三,所以答案是七。")], " ", "inside a sentence"),
    ("fr", [("fr", "On sait que la vitesse est constante,"), ("en", "so the distance grows with the time,"), ("fr", "et on obtient la durée.")], " ", "between commas"),
    ("ru", [("ru", "Пусть сторона квадрата"), ("en", "is twice the height"), ("ru", "треугольника, тогда получаем ответ.")], " ", "inside a sentence"),
    ("ko", [("ko", "따라서 나머지는"), ("en", "an even integer"), ("ko", "이므로 답은 여섯이다.")], " ", "inside a sentence"),
    # names and loan words go with their sentence
    ("en", [("en", "Professor Müller and Señora Muñoz met François in São Paulo to talk about Łukasiewicz.")], "", "names"),
    ("de", [("de", "Frau García zeigte Herrn O'Connor, wie Fibonacci die Aufgabe gelöst hat.")], "", "names"),
    ("es", [("es", "El señor Schmidt explicó a Catherine Johnson cómo funciona el teorema de Pythagoras.")], "", "names"),
    # what counts no words
    ("en", [("en", "The ticket costs"), (None, "$5"), ("en", "and the book costs"), (None, "$10"), ("en", "so we pay more than before.")], " ", "money"),
    ("de", ["de1", (None, "\\begin{align} x &= 2 \\text{ where x is even} \\\\ y &= 3 \\end{align}"), "de2"], "\n", "environment"),
    ("fr", ["fr1", (None, "```\nprint the whole list of numbers"),], "\n", "open fence"),
    ("es", ["es1", (None, "~~~python\nwhile the list is not empty: pop it\n~~~"), "es2"], "\n", "fence of tildes"),
    ("pt", [("pt", "Veja"), (None, "https://example.com/en/the/whole/page.html?query=some+words"), ("pt", "para mais detalhes sobre o assunto.")], " ", "address"),
    ("de", [("de", "Schreib an"), (None, "the.author@mail.example.org"), ("de", "oder lies"), (None, "docs/read_me_first.md"), ("de", "noch einmal.")], " ", "mail and path"),
    ("ru", [(None, "<think>"), "ru1", (None, "</think>\n<answer>\\boxed{\\text{three apples}}</answer>")], "", "tags and a box"),
    ("zh", [(None, "|special_token|"), "zh2", (None, "|special_token|")], "", "cold-start tokens"),
    ("ja", [(None, "<|im_start|>"), "ja1", (None, "<|im_end|>")], "", "tokens of a chat"),
    ("ko", ["ko1", (None, "`for each word in the list`")], " ", "inline code"),
    ("ar", ["ar1", (None, "\\(x \\text{ is an even number}\\)"), "ar2"], " ", "LaTeX with text"),
    ("hi", [(None, "f(x) = ax^2 + bx + c, AB = CD, sin x = 1"), "hi1"], "\n", "plain formulas"),
    ("en", [(None, "x = 3, y = 4, x + y = 7")], "", "plain formulas alone"),
    ("de", [(None, "1. 2. 3. !!! ??? --- 42")], "", "no word"),
    ("en", [(None, "```\nall of this is code\n```")], "", "code alone"),
    # spelling
    ("es", [("es", "MUESTRA TU RAZONAMIENTO ANTES DE DAR LA RESPUESTA FINAL.")], "", "capitals"),
    ("fr", [("fr", unicodedata.normalize("NFD", PARTS["fr1"][1]))], "", "decomposed accents"),
    ("es", [("es", "Asi que la ecuacion tiene dos soluciones y ademas ninguna es negativa.")], "", "no accents"),
    ("de", [("de", "Wir muessen pruefen, ob die Loesung groesser als null ist.")], "", "no umlauts"),
    ("en", [("en", "**First**, we list the cases:\n- We know the sum.\n* It is odd.\n> If so, we are done.")], "", "markdown"),
    ("en", [("en", "Ｗｅ ｋｎｏｗ ｔｈｅ ａｎｓｗｅｒ ａｌｒｅａｄｙ．")], "", "full width"),
    # three words
    *[(code, [(code, text)], "", "three words") for code, text in [
        ("en", "count them again"), ("es", "ahora las contamos"), ("fr", "comptons les pommes"), ("de", "zählen wir nach"),
        ("pt", "vamos contar novamente"), ("ru", "посчитаем ещё раз"), ("ko", "다시 세어 봅시다"), ("hi", "फिर से गिनें"),
        ("ar", "لنعد مرة أخرى"), ("zh", "再数一遍吧"), ("ja", "もう一度数えよう")]],
]


def letters_runs(text):
    runs, inside = 0, False
    for i, c in enumerate(text):
        kind = unicodedata.category(c)[0]
        joins = c in "'’\u200c\u200d" and inside and i + 1 < len(text) and unicodedata.category(text[i + 1])[0] == "L"
        if kind == "L" and not inside:
            runs += 1
        inside = kind == "L" or joins or (kind == "M" and inside)
    return runs


def counts(language, text):
    """The words of a part by each unit: low, high."""
    if language is None:
        return 0, 0
    if language in ("zh", "ja"):
        characters = sum(unicodedata.category(c)[0] == "L" for c in text)
        return characters / 2.1, characters
    return letters_runs(text), letters_runs(text)


def fraction_range(target, parts):
    fractions = []
    if not any(counts(*part)[1] for part in parts):
        return [0, 0]
    languages = {language for language, _ in parts if language}
    if languages == {target}:
        return [0.95, 1]
    if target not in languages:
        return [0, 0.05]
    # Each language in Chinese characters may be counted in its own unit, the same for a whole language.
    units = {language: [0, 1] if language in ("zh", "ja") else [0] for language in languages}
    for choice in itertools.product(*units.values()):
        unit = dict(zip(units, choice))
        words = {language: 0.0 for language in languages}
        for language, text in parts:
            if language:
                words[language] += counts(language, text)[unit[language]]
        fractions.append(words[target] / sum(words.values()))
    return [round(max(0, min(fractions) - 0.04), 3), round(min(1, max(fractions) + 0.04), 3)]


def main():
    lines = []
    for number, (target, parts, between, note) in enumerate(CASES, 1):
        parts = [PARTS[part] if isinstance(part, str) else part for part in parts]
        lines.append(json.dumps({
            "id": f"o{number:03}", "text": between.join(text for _, text in parts), "target": target,
            "expected_fraction_range": fraction_range(target, parts), "note": note}, ensure_ascii=False))
    pathlib.Path("tests/data/language_cases_own.jsonl").write_text("\n".join(lines) + "\n")
    print(len(lines), "cases")


if __name__ == "__main__":
    main()
